/**
 * Data: batches of anything for a training to take; images with labels from folders, archives and shards, and the loader
 * that cuts batches of them. For Node.
 */
export { type BatchOptions, type BatchSource, batchesOf, type Placed, type Share } from './batchSource.js';
export type { Dataset } from './dataset.js';
export { type Batch, batches, type ImageBatchOptions, imageBatches, type LoaderOptions } from './loader.js';
export { type OpenedData, openData } from './sources/open.js';
