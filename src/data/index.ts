/**
 * Data sets of images with labels, from folders, archives and shards, and the loader that cuts batches of them. For Node.
 */
export type { Dataset } from './dataset.js';
export { type Batch, batches } from './loader.js';
export { type OpenedData, openData } from './sources/open.js';
