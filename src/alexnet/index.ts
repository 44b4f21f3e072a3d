/**
 * The paper: networks as tables, their training, and the data pipeline. For Node.
 */
export * from './architecture.js';
export {
  type Checkpoint,
  type RunDescription,
  readCheckpoint,
  restoreCheckpoint,
  saveCheckpoint,
} from './checkpoint.js';
export * from './classifier.js';
export { Coder, nearestCodes, recallOf } from './codes.js';
export type { Dataset } from './data/dataset.js';
export { batches } from './data/loader.js';
export { openData } from './data/open.js';
export * from './dryRun.js';
export * from './evaluation.js';
export * from './features.js';
export { Network, type NetworkOptions } from './network.js';
export * from './networks.js';
export { exportOnnx, type OnnxOptions } from './onnx.js';
export * from './presets.js';
export * from './profile.js';
export * from './recipes.js';
export { netOf, openCheckpoint, type RunOptions, runTraining } from './run.js';
export * from './trainer.js';
export * from './variants.js';
