/**
 * Training step by step: losses and their gradients, metrics, events, state to save, profiles. What `tandem-ts/train` is in
 * browsers.
 */
export type { PartState, Stateful } from '../core/state.js';
export { type ClassErrors, classification, type Report, Tally } from './classification.js';
export { DivergedError } from './diverged.js';
export {
  type Collective,
  type DeviceNeeds,
  type DryRanks,
  type DryTraining,
  dryRun,
  type StepNeeds,
} from './dryRun.js';
export { eventPrinter, eventText, type FitEvent } from './events.js';
export { type EvaluateOptions, evaluate, inEvaluation, inferences, type OnBatch } from './inference.js';
export { type EpochTimes, type LineOf, logLine } from './log.js';
export { type EpochRecord, type OnStep, TrainingLoop } from './loop.js';
export { type Metrics, meansOf, type Totals } from './metrics.js';
export { moduleState, optimizerState, type Parts, restoreParts, statesOf } from './parts.js';
export {
  type CrossingRow,
  crossingRows,
  devicesOf,
  type Profile,
  type ProfileRow,
  profileRows,
  profileSteps,
} from './profile.js';
export { type Learner, type Step, type StepResult, takeStep } from './step.js';
