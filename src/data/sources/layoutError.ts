/**
 * The error of what was given as a data set and is arranged as none.
 */
import { DataError } from '../../core/errors.js';

/** No data set that is known; whoever knows the formats adds what they are (formats.ts). */
export class LayoutError extends DataError {}
