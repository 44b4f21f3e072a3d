/**
 * Data: batches of anything for a training to take; images with labels that are drawn or held in memory, and the loader that
 * cuts batches of them. What `tandem-ts/data` is in browsers.
 */
export { type BatchOptions, type BatchSource, batchesOf, type Placed, type Share } from './batchSource.js';
export { type Dataset, keepInMemory, MemoryDataset } from './dataset.js';
export { tenCrops } from './images/cuts.js';
export { type Mean, meanOf } from './images/mean.js';
export type { ColourNoise, Pca } from './images/pca.js';
export { type Batch, batches, type ImageBatchOptions, imageBatches, type LoaderOptions } from './loader.js';
export { SyntheticDataset } from './synthetic/synthetic.js';
