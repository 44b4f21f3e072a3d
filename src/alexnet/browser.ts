/**
 * The paper: networks as tables, their training and evaluation. What `tandem-ts/alexnet` is in browsers.
 */
export * from './architecture.js';
export { Classifier, type ClassifierOptions, type Input, type ScoredBatch } from './classifier.js';
export { type NetTables, netOf, type RunDescription, tablesOf } from './description.js';
export { type DryRunOptions, dryRunNet } from './dryRun.js';
export * from './evaluation.js';
export type { LogLine } from './log.js';
export { Network, type NetworkOptions } from './network.js';
export * from './networks.js';
export { exportNetwork, exportState } from './onnx.js';
export * from './presets.js';
export * from './recipes.js';
export {
  colourfulness,
  type KernelShare,
  randomColourfulness,
  type Specialization,
  specializationOf,
  type TowerShares,
} from './specialization.js';
export { type LabelledImages, Trainer, type TrainerOptions } from './trainer.js';
export * from './variants.js';
export { type ExportedDescription, withDropoutForm } from './weights/exported.js';
export { type FitOptions, type FittedWeights, fitWeights, type WeightsFile } from './weights/fit.js';
export { type WeightKind, type WeightKindName, weightKinds } from './weights/kinds.js';
export { torchvisionName } from './weights/names.js';
