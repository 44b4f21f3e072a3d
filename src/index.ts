/**
 * Tandem's core: devices, tensors, gradients and ops. Layers are in `tandem-ts/nn`, the paper in `tandem-ts/alexnet`.
 */
export {
  type AdapterDescription,
  type CpuOptions,
  type DeviceName,
  isDeviceName,
  listAdapters,
  openDevice,
  type WebGpuOptions,
} from './backends/open.js';
export { type GradcheckOptions, gradcheck } from './checks/gradcheck.js';
export { noLeaks } from './checks/leaks.js';
export type { KernelTime, MemoryStats } from './core/backend.js';
export type { Device, LiveTensor } from './core/device.js';
export * from './core/errors.js';
export { type Expr, type ExprLike, e } from './core/expr.js';
export * from './core/ops/arrange.js';
export {
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTranspose1dOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  type PaddingLike,
  type PairLike,
} from './core/ops/conv.js';
export * from './core/ops/create.js';
export { type CustomOp, customOp } from './core/ops/custom.js';
export { type DropoutOptions, dropout } from './core/ops/dropout.js';
export { einsum } from './core/ops/einsum.js';
export * from './core/ops/elementwise.js';
export {
  type Binary,
  type BinaryGradient,
  binary,
  type ElementwiseOp,
  type Operand,
  type Unary,
  unary,
} from './core/ops/expressionOps.js';
export * from './core/ops/gather.js';
export type { DrawPlacement } from './core/ops/launch.js';
export * from './core/ops/loss.js';
export { type FusedOptions, linear, matmul } from './core/ops/matmul.js';
export {
  localResponseNorm,
  type ResponseNormOptions,
  spatialResponseNorm,
} from './core/ops/normalize.js';
export {
  type AvgPoolOptions,
  adaptiveAvgPool2d,
  avgPool2d,
  maxPool2d,
  type PoolOptions,
} from './core/ops/pool.js';
export {
  all,
  any,
  argmax,
  expand,
  max,
  mean,
  min,
  type ReduceOptions,
  sum,
  topk,
} from './core/ops/reduce.js';
export * from './core/ops/softmax.js';
export * from './core/ops/standardize.js';
export * from './core/ops/transfer.js';
export { type UpdateOptions, update } from './core/ops/update.js';
export { norm, std, type VarianceOptions, variance } from './core/ops/variance.js';
export * from './core/ops/views.js';
export { defaultGenerator, Generator, manualSeed } from './core/random.js';
export { keep, scope } from './core/scope.js';
export type { DType, Shape, TypedArray } from './core/shape.js';
export type { PartState, Stateful } from './core/state.js';
export { noGrad } from './core/tape.js';
export { Tensor } from './core/tensor.js';
export { type Crossing, inLayer, ledger, trace } from './core/trace.js';
