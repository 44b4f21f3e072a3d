/**
 * Training: a model is fitted to data, epoch by epoch, with validation, checkpoints, a log, and going on bit for bit. For
 * Node.
 */
export type { PartState, Stateful } from '../core/state.js';
export { LockedError } from '../data/lock.js';
export { type Checkpoint, type CheckpointReader, readCheckpoint, writeCheckpoint } from './checkpoint.js';
export { type ClassErrors, classification, type Report, Tally } from './classification.js';
export { DivergedError } from './diverged.js';
export { type DeviceNeeds, type DryTraining, dryRun, type StepNeeds } from './dryRun.js';
export { eventPrinter, eventText, type FitEvent } from './events.js';
export { type FitOptions, type FitOutcome, fit, type Validation } from './fit.js';
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
export { openRanks, type Ranks, RanksError, spreadTowers, type Towers } from './ranks/index.js';
export { findCheckpoint, RunExistsError, RunFolder, runFiles } from './runFolder.js';
export { type Learner, type Step, type StepResult, takeStep } from './step.js';
