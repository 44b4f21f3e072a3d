/**
 * The paper: what browsers have of it (browser.ts), and runs, features and weights in files. For Node.
 */
export * from './browser.js';
export { openCheckpoint, type RunCheckpoint, readRunCheckpoint } from './checkpoint.js';
export { Coder, nearestCodes, recallOf } from './codes.js';
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
export { type Outcome, type RunListener, type RunOptions, runTraining, type StartingWeights } from './run.js';
export { readWeights } from './weights/files.js';
export { type Labels, parseLabels } from './weights/labels.js';
export { type OpenedWeights, openWeights, type WeightsOptions } from './weights/open.js';
