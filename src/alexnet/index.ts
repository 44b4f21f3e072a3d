/**
 * The paper: networks as tables, their training, and the data pipeline. For Node.
 */
export * from './architecture.js';
export { type Checkpoint, readCheckpoint, restoreCheckpoint, saveCheckpoint } from './checkpoint.js';
export {
  Classifier,
  type ClassifierOptions,
  type Evaluation,
  type Input,
  type ScoredBatch,
} from './classifier.js';
export { Coder, nearestCodes, recallOf } from './codes.js';
export type { RunDescription } from './description.js';
export { type DeviceNeeds, type DryRunOptions, dryRun, type StepNeeds } from './dryRun.js';
export * from './evaluation.js';
export {
  type FeatureTable,
  type ImageFolder,
  type Neighbour,
  nearest,
  openImages,
  readFeatures,
  vectorsOf,
  writeFeatures,
} from './features.js';
export { Network, type NetworkOptions } from './network.js';
export * from './networks.js';
export { exportOnnx, type OnnxOptions } from './onnx.js';
export * from './presets.js';
export * from './profile.js';
export * from './recipes.js';
export { netOf, openCheckpoint, type RunOptions, runTraining } from './run.js';
export {
  DivergedError,
  type EpochReport,
  type StepListener,
  type Totals,
  Trainer,
  type TrainerOptions,
  type TrainerState,
} from './trainer.js';
export * from './variants.js';
