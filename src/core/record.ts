/**
 * How an op comes onto the tape: its inputs, its outputs, what its gradient needs and the gradient itself.
 */

import { keep } from './scope.js';
import { isIntegerType } from './shape.js';
import { type GradFunction, gradEnabled, Node } from './tape.js';
import type { Tensor } from './tensor.js';

/** What an op tells the tape. */
interface Recorded {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /**
   * Tensors the gradient needs, which may not change before it has run; null where it has no use for one. The tape
   * holds its own references to them.
   */
  readonly saved?: readonly (Tensor | null)[];
  readonly gradient: GradFunction<Tensor>;
}

/** Puts an op on the tape if any of its inputs needs a gradient and recording is on; integer outputs have none. */
export function record({ op, inputs, outputs, saved = [], gradient }: Recorded): void {
  const wanted = gradEnabled() && inputs.some((x) => x.requiresGrad);
  if (!wanted || outputs.every((out) => isIntegerType(out.dtype))) return;
  const edges = inputs.map((x) => x.gradEdge());
  const handles = saved.map((x) => x && keep(x.detach()));
  const versions = handles.map((x) => x?.version ?? 0);
  const node = new Node<Tensor>(op, edges, handles, (context) => {
    for (const [i, x] of handles.entries()) x?.requireVersion(versions[i]!, op);
    return gradient(context);
  });
  for (const [index, out] of outputs.entries()) if (!isIntegerType(out.dtype)) out.attach(node, index);
}

/** `record` for one input and one output: `back` is given the gradient that comes in, and what was saved. */
export function recordOne(
  op: string,
  x: Tensor,
  out: Tensor,
  back: (grad: Tensor, ...saved: Tensor[]) => Tensor,
  ...saved: Tensor[]
): void {
  const gradient: GradFunction<Tensor> = ({ grads: [grad], saved: held }) => [
    grad ? back(grad, ...held.filter((kept) => kept !== null)) : null,
  ];
  record({ op, inputs: [x], outputs: [out], saved, gradient });
}
