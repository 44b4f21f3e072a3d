/**
 * The paper: networks as tables, their training, and the data pipeline. For Node.
 */
export * from './architecture.js';
export { openCheckpoint, type RunCheckpoint, readRunCheckpoint } from './checkpoint.js';
export { Classifier, type ClassifierOptions, type Input, type ScoredBatch } from './classifier.js';
export { Coder, nearestCodes, recallOf } from './codes.js';
export { type NetTables, netOf, type RunDescription, tablesOf } from './description.js';
export { type DryRunOptions, dryRunNet } from './dryRun.js';
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
export type { LogLine } from './log.js';
export { Network, type NetworkOptions } from './network.js';
export * from './networks.js';
export { exportNetwork, exportState } from './onnx.js';
export * from './presets.js';
export * from './recipes.js';
export { type Outcome, type RunListener, type RunOptions, runTraining, type StartingWeights } from './run.js';
export { type LabelledImages, Trainer, type TrainerOptions } from './trainer.js';
export * from './variants.js';
export { type ExportedDescription, withDropoutForm } from './weights/exported.js';
export { readWeights } from './weights/files.js';
export { type FitOptions, type FittedWeights, fitWeights, type WeightsFile } from './weights/fit.js';
export { type WeightKind, type WeightKindName, weightKinds } from './weights/kinds.js';
export { type Labels, parseLabels } from './weights/labels.js';
export { torchvisionName } from './weights/names.js';
export { type OpenedWeights, openWeights, type WeightsOptions } from './weights/open.js';
