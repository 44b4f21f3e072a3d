/**
 * Data: batches of anything for a training to take; images with labels from folders, archives and shards, and the loader
 * that cuts batches of them. For Node.
 */
export { type BatchOptions, type BatchSource, batchesOf, type Placed, type Share } from './batchSource.js';
export { type Dataset, keepInMemory, MemoryDataset } from './dataset.js';
export { tenCrops } from './images/cuts.js';
export { type Mean, meanOf } from './images/mean.js';
export type { ColourNoise, Pca } from './images/pca.js';
export { type Batch, batches, type ImageBatchOptions, imageBatches, type LoaderOptions } from './loader.js';
export { type OpenedData, openData } from './sources/open.js';
export { SyntheticDataset } from './synthetic/synthetic.js';
