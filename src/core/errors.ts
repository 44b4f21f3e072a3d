/**
 * The errors Tandem throws. Every message names the op or file, what was given, what was expected, and the
 * way out; the class says which kind of mistake it was, so that a program can tell them apart.
 */

/** Base class of every error Tandem throws on purpose. */
export class TandemError extends Error {
  override readonly name: string = 'TandemError';
}

/** A shape, axis, dtype or attribute that the op can't work with. */
export class ArgumentError extends TandemError {
  override readonly name = 'ArgumentError';
}

/** Tensors on different devices met in an op that works on one, or a device was used after `close()`. */
export class DeviceError extends TandemError {
  override readonly name = 'DeviceError';
}

/** A tensor was used after it was disposed of (by hand, or by the end of its `scope`). */
export class DisposedError extends TandemError {
  override readonly name = 'DisposedError';
}

/** A device can't hold one more buffer: names the op, the bytes asked for, the bytes in use and the limit. */
export class OutOfMemoryError extends TandemError {
  override readonly name = 'OutOfMemoryError';
}

/** A device stopped working (driver reset, worker died): everything it held is gone. */
export class DeviceLostError extends TandemError {
  override readonly name = 'DeviceLostError';
}

/** A kernel failed while it ran or was compiled: thrown at the next await, naming the kernel and what went wrong. */
export class KernelError extends TandemError {
  override readonly name = 'KernelError';
}

/** A file or folder is missing, damaged, or not what it was taken for. */
export class DataError extends TandemError {
  override readonly name = 'DataError';
}

/** A gradient isn't the finite difference: names input, element and both numbers (`gradcheck`). */
export class GradcheckError extends TandemError {
  override readonly name = 'GradcheckError';
}

/** Tensors were left on a device: names each by op, shape and place (`noLeaks`). */
export class LeakError extends TandemError {
  override readonly name = 'LeakError';
}
