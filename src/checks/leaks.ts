/**
 * Leaks: which tensors of a device are live, which op made each, and at what place of the program.
 */
import { requireFunction } from '../core/arguments.js';
import { type Device, requireDevice } from '../core/device.js';
import { LeakError } from '../core/errors.js';

/** Leaks that an error lists; more are counted. */
const mostListed = 20;

/**
 * Calls a function, async or not, and fails if it leaves more tensors on a device than there were: for tests. Tensors of
 * its result count as left; what is there before may be disposed of.
 *
 *     await noLeaks(device, () => scope(() => step(batch)));
 *
 * @throws {LeakError} naming each tensor by its op, shape and the place that made it
 */
export async function noLeaks<T>(
  devices: Device | readonly Device[],
  fn: () => T | Promise<T>,
): Promise<Awaited<T>> {
  const op = 'noLeaks';
  requireFunction(op, 'fn', fn);
  const all: readonly Device[] = Array.isArray(devices) ? devices : [devices];
  for (const device of all) requireDevice(op, device);
  const begun = all.map((device) => {
    const tracked = device.trackTensors();
    return { device, tracked, before: new Set(device.liveTensors()) };
  });
  try {
    const result = await fn();
    const left = begun.flatMap(({ device, before }) =>
      device.liveTensors().flatMap((live) => (before.has(live) ? [] : `\n  ${device.name}: ${live}`)),
    );
    if (left.length === 0) return result;
    const more = left.length > mostListed ? `\n  and ${left.length - mostListed} more` : '';
    throw new LeakError(
      `noLeaks: ${left.length} ${left.length === 1 ? 'tensor is' : 'tensors are'} left; make them in a scope, or call ` +
        `dispose():${left.slice(0, mostListed).join('')}${more}`,
    );
  } finally {
    for (const { device, tracked } of begun) device.trackTensors(tracked);
  }
}
