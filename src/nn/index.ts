/**
 * Layers, initializers, optimizers, schedules.
 */

export { crossEntropy } from '../core/ops/loss.js';
export * from './activations.js';
export * from './adaptive.js';
export * from './convolutions.js';
export {
  constant,
  fanInUniform,
  type Initializer,
  kaimingNormal,
  Lambda,
  Layer,
  normal,
  Sequential,
  uniform,
  type WeightOptions,
} from './layer.js';
export * from './layers.js';
export * from './locallyConnected.js';
export { type HostTensor, Module, parameter, type StateDict } from './module.js';
export * from './normalizations.js';
export {
  clipGradNorm,
  clipGradValue,
  type GroupOptions,
  type Optimizer,
  type OptimizerGroup,
  SlotOptimizer,
  type Trained,
} from './optimizer.js';
export * from './schedule.js';
export * from './sgd.js';
