/**
 * What backends share that give every kernel to one queue.
 */
import type { KernelName, Kernels, KernelTable } from '../core/backend.js';

/** The table of a backend that enqueues every kernel through one function. */
export function kernelTable(
  enqueue: <K extends KernelName>(kernel: K, args: Kernels[K]) => void,
): KernelTable {
  const through = <K extends KernelName>(kernel: K) => {
    return (args: Kernels[K]): void => enqueue(kernel, args);
  };
  return {
    map: through('map'),
    reduce: through('reduce'),
    foldMap: through('foldMap'),
    matmul: through('matmul'),
    conv2d: through('conv2d'),
    conv2dInputGrad: through('conv2dInputGrad'),
    conv2dWeightGrad: through('conv2dWeightGrad'),
    pool2d: through('pool2d'),
    pool2dGrad: through('pool2dGrad'),
    lrn: through('lrn'),
    lrnGrad: through('lrnGrad'),
    crossEntropy: through('crossEntropy'),
    crossEntropyGrad: through('crossEntropyGrad'),
    gather: through('gather'),
    scatterAdd: through('scatterAdd'),
    topk: through('topk'),
  };
}
