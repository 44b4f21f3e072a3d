/**
 * Crossing from device to device: the only ops that accept two devices. The caller doesn't wait, the devices do.
 *
 * `to` copies a tensor; its gradient is the copy back. `exchange` gives each device the join of all parts along the
 * channel axis (a gather); its gradient sends every device's slice back to the part's owner and adds them up (a
 * scatter-add). Each crossing is a row of the ledger. Copies in both directions run at the same time.
 */
import { readOptions, requireArray } from '../arguments.js';
import { type Device, requireDevice } from '../device.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import { bytesPerElement, formatShape, normalizeAxis } from '../shape.js';
import { denseCopy, Tensor } from '../tensor.js';
import { ledger, trace } from '../trace.js';
import { add } from './elementwise.js';
import { record, recordOne, requireTensor, requireTensors } from './launch.js';
import { concat, slice } from './views.js';

/** Copies to another device, past the tape; on the same one, another look at the same elements. */
function copyTo(op: string, x: Tensor, device: Device): Tensor {
  if (x.device === device) return x.alias(op);
  const source = x.contiguous ? x.alias(op) : denseCopy(op, x);
  try {
    const bytes = x.size * bytesPerElement[x.dtype];
    const times = { start: Number.NaN, milliseconds: Number.NaN };
    const crossing = { ...trace, from: x.device.name, to: device.name, bytes, ...times };
    const copy = Tensor.receive(op, device, source, (start, milliseconds) => {
      Object.assign(crossing, { start, milliseconds });
    });
    ledger.record(crossing);
    return copy;
  } finally {
    source.dispose();
  }
}

/** x on another device. Differentiable. */
export function to(x: Tensor, device: Device): Tensor {
  const op = 'to';
  requireTensor(op, 'x', x);
  requireDevice(op, device);
  const home = x.device;
  const out = copyTo(op, x, device);
  recordOne(op, x, out, (grad) => copyTo(op, grad, home));
  return out;
}

/**
 * The join of `parts` along an axis, on each of `devices`, differentiable: a part crosses once to every other that wants it.
 * @param options `axis`: 1 by default, the channels of `[N, C, H, W]`, the units of `[N, K]`; `devices`: the parts' own by
 *   default, in their order; several may be the same
 * @returns one tensor for each of `devices`
 * @throws {ArgumentError} when sizes other than the axis's differ.
 */
export function exchange(
  parts: readonly Tensor[],
  options: { readonly axis?: number; readonly devices?: readonly Device[] } = {},
): Tensor[] {
  const op = 'exchange';
  requireTensors(op, 'parts', parts);
  const homes = parts.map((part) => part.device);
  const { axis, devices } = readOptions(op, options, { axis: 1, devices: homes });
  requireArray(op, 'devices', devices, 'an array of Devices');
  for (const device of devices) requireDevice(op, device);
  const first = parts[0];
  if (!first) throw new ArgumentError('exchange: got no parts');
  const along = normalizeAxis(op, axis, first.shape.length);
  if (parts.some((part) => part.shape.some((n, i) => i !== along && n !== first.shape[i]))) {
    const shapes = parts.map((part) => formatShape(part.shape)).join(', ');
    throw new ArgumentError(`exchange: ${shapes} can't be joined along axis ${axis}: other sizes must agree`);
  }
  const unique = [...new Set(devices)];
  const outputs = scope(() => {
    // All is sent before anything is computed from it, so that no device waits for another's work on what it got.
    const copies = unique.map((device) => parts.map((part) => copyTo(op, part, device)));
    const joined = copies.map((local) => {
      const whole = local.length === 1 ? local[0]! : concat(local, along);
      for (const part of local) if (part !== whole) part.dispose();
      return whole;
    });
    return devices.map((device) => joined[unique.indexOf(device)]!.detach());
  });

  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, part) => sum + part.shape[along]!, 0));
  record({
    op,
    inputs: parts,
    outputs,
    gradient: ({ grads, needs }) => {
      const sent = homes.map((home, i) => {
        if (!needs[i]) return [];
        const pieces = grads.flatMap((grad) => (grad ? [slice(grad, along, ends[i - 1] ?? 0, ends[i])] : []));
        // Pieces of one device are added before they cross, so that each device sends one.
        return sumsByDevice(pieces).map((piece) => copyTo(op, piece, home));
      });
      return sent.map((pieces) =>
        pieces.length > 0 ? pieces.reduce((sum, piece) => add(sum, piece)) : null,
      );
    },
  });
  return outputs;
}

function sumsByDevice(pieces: readonly Tensor[]): Tensor[] {
  const devices = [...new Set(pieces.map((piece) => piece.device))];
  return devices.map((device) =>
    pieces.filter((piece) => piece.device === device).reduce((a, b) => add(a, b)),
  );
}
