/**
 * Numbers in and out of files: safetensors, NumPy's arrays, what `torch.save` writes; and modules as ONNX models. Readers
 * and writers work on bytes, so that they run in browsers as well.
 */
export * from './npy.js';
export * from './npz.js';
export { exportOnnx, type OnnxOptions, type OnnxRule, onnxRule } from './onnx/export.js';
export type { GraphValue, OnnxGraph, WriteModule } from './onnx/graph.js';
export { importOnnx, type OnnxImportOptions } from './onnx/import.js';
export { type OnnxInputs, OnnxModule } from './onnx/module.js';
export type { OnnxValueInfo } from './onnx/read.js';
export * from './safetensors.js';
export * from './safetensorsSet.js';
export { decodeTorch, type TorchOptions } from './torch.js';
