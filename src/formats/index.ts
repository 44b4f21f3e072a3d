/**
 * Numbers in and out of files: safetensors, NumPy's arrays, what `torch.save`, TensorFlow.js and Caffe write; modules as
 * ONNX models, and ONNX models as modules. Readers and writers work on bytes, so that they run in browsers as well.
 */
export * from './caffe.js';
export * from './conventions.js';
export * from './load.js';
export * from './npy.js';
export * from './npz.js';
export { exportOnnx, type OnnxOptions, type OnnxRule, onnxRule } from './onnx/export.js';
export type { GraphValue, OnnxGraph, WriteModule } from './onnx/graph.js';
export { importOnnx, type OnnxImportOptions } from './onnx/import.js';
export { type OnnxInputs, OnnxModule } from './onnx/module.js';
export type { OnnxValueInfo } from './onnx/read.js';
export * from './safetensors.js';
export { decodeSafetensorsSet } from './safetensorsSet.js';
export { decodeTensorflowJs, type TensorflowJsModel } from './tensorflowJs.js';
export { importTensorflowJs } from './tensorflowLayers.js';
export { decodeTorch, type TorchOptions } from './torch.js';
