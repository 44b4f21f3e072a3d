/**
 * Training: what browsers have of it (browser.ts), and a model fitted to data, epoch by epoch, with validation, checkpoints,
 * a log, and going on bit for bit; on one machine or several. For Node.
 */

export { LockedError } from '../data/lock.js';
export * from './browser.js';
export { type Checkpoint, type CheckpointReader, readCheckpoint, writeCheckpoint } from './checkpoint.js';
export { type FitOptions, type FitOutcome, fit, type Validation } from './fit.js';
export { openRanks, type Ranks, RanksError, spreadTowers, type Towers } from './ranks/index.js';
export { findCheckpoint, RunExistsError, RunFolder, runFiles } from './runFolder.js';
