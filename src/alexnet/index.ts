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
export type { Dataset } from './data/dataset.js';
export { batches } from './data/loader.js';
export { openData } from './data/open.js';
export { Network, type NetworkOptions } from './network.js';
export * from './networks.js';
export { exportOnnx, type OnnxOptions } from './onnx.js';
export * from './recipes.js';
export { type RunOptions, runTraining } from './run.js';
export * from './trainer.js';
