/**
 * Layers, initializers, the optimizer, schedules, and state dicts in files.
 */
export { crossEntropy } from '../core/ops/loss.js';
export * from './init.js';
export * from './layers.js';
export { type HostTensor, Module, parameter, type StateDict } from './module.js';
export * from './npy.js';
export * from './safetensors.js';
export * from './schedule.js';
export * from './sgd.js';
