/**
 * Where the repository lies.
 */
import { fileURLToPath } from 'node:url';

/** The repository's folder, with a slash at its end; compiled code runs in dist/support. */
export const root = fileURLToPath(new URL('../..', import.meta.url));
