/**
 * For each kernel of the contract a generator of arguments. A kernel without one is a compile error.
 */
import type { KernelName } from '../../../src/core/backend.js';
import * as elements from './elements.js';
import * as layers from './layers.js';
import type { Case, Maker } from './maker.js';
import * as products from './products.js';
import * as rows from './rows.js';

/** The arguments that every backend is tried with. */
export const generators: { readonly [K in KernelName]: (make: Maker) => Iterable<Case<K>> } = {
  map: elements.map,
  reduce: elements.reduce,
  foldMap: rows.foldMap,
  gather: elements.gather,
  scatterAdd: elements.scatterAdd,
  topk: elements.topk,
  matmul: products.matmul,
  conv2d: products.conv2d,
  conv2dInputGrad: products.conv2dInputGrad,
  conv2dWeightGrad: products.conv2dWeightGrad,
  pool2d: layers.pool2d,
  pool2dGrad: layers.pool2dGrad,
  lrn: layers.lrn,
  lrnGrad: layers.lrnGrad,
  crossEntropy: layers.crossEntropy,
  crossEntropyGrad: layers.crossEntropyGrad,
};
