/**
 * Numbers in and out of files: safetensors and NumPy's arrays. Readers and writers work on bytes, so that they run in
 * browsers as well.
 */
export * from './npy.js';
export * from './npz.js';
export * from './safetensors.js';
