/**
 * Python, where there is one, as an independent implementation.
 */
import { spawnSync } from 'node:child_process';

/**
 * A Python that has a module: `TANDEM_PYTHON`, the one on the path, or the system's. Null, and a loud line, where none
 * has it.
 */
export function pythonWith(module: string, skipped: string): string | null {
  const { TANDEM_PYTHON } = process.env;
  const candidates = TANDEM_PYTHON === undefined ? ['python3', '/usr/bin/python3'] : [TANDEM_PYTHON];
  const found = candidates.find((python) => spawnSync(python, ['-c', `import ${module}`]).status === 0);
  if (found === undefined)
    console.log(`SKIPPED: ${skipped}: no Python with ${module} here (set TANDEM_PYTHON)`);
  return found ?? null;
}

/** Runs a script and gives what it prints. @throws {Error} with its standard error when it fails */
export function runPython(python: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(python, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${python} ${args[0]}: ${stderr}`);
  return stdout;
}
