/**
 * ONNX's own test cases, as Debian's package libonnx-testdata installs them: folders with a `model.onnx`, and in
 * `test_data_set_0` what goes in and must come out (`input_0.pb`, `output_0.pb`: TensorProtos).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../../src/core/device.js';
import { scope } from '../../src/core/scope.js';
import type { HostTensor } from '../../src/core/state.js';
import type { Tensor } from '../../src/core/tensor.js';
import { onDevice } from '../../src/formats/onnx/call.js';
import { importOnnx } from '../../src/formats/onnx/import.js';
import type { OnnxModule } from '../../src/formats/onnx/module.js';
import { type HostValue, readTensorProto } from '../../src/formats/onnx/tensors.js';

/** Where the cases are. TANDEM_ONNX_DATA names another folder: that of an unpacked package, say. */
export const folder = process.env.TANDEM_ONNX_DATA ?? '/usr/share/libonnx-testdata/data';

/** Kinds of cases: single operators, small graphs, and what PyTorch exported. */
const kinds = ['node', 'simple', 'pytorch-operator', 'pytorch-converted'];

/** Folders of all cases by name; empty where the package isn't installed. */
export function findCases(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const kind of kinds.filter((kind) => existsSync(join(folder, kind)))) {
    for (const name of readdirSync(join(folder, kind))) found.set(name, join(folder, kind, name));
  }
  return found;
}

/** Relative and absolute difference that ONNX's own runner allows. */
const [relative, absolute] = [1e-3, 1e-7];

/** Runs a case. Gives what is wrong, or null. */
export async function runCase(name: string, path: string, device: Device): Promise<string | null> {
  let model: OnnxModule | null = null;
  try {
    const loaded = await importOnnx(readFileSync(join(path, 'model.onnx')), name, { device });
    model = loaded.eval();
    return await scope(async () => {
      const results = loaded.run(inputsOf(loaded, path));
      for (const [i, { name: output }] of loaded.outputs.entries()) {
        const expected = readValue(join(path, 'test_data_set_0', `output_${i}.pb`));
        const actual = results[output];
        const problem = expected && actual ? await difference(output, actual, expected) : null;
        if (problem !== null) return problem;
      }
      return null;
    });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    model?.dispose();
  }
}

/** What a case gives: floats on the device; single numbers, whole ones and scales, of which shapes are made, on the host. */
function inputsOf(model: OnnxModule, path: string): Record<string, Tensor | HostTensor> {
  const inputs: Record<string, Tensor | HostTensor> = {};
  for (const [i, { name }] of model.inputs.entries()) {
    const value = readValue(join(path, 'test_data_set_0', `input_${i}.pb`));
    if (value === null) continue;
    const sizes = ['scales', 'roi'].includes(name);
    const onHost = sizes || value.shape.length === 0 || !value.type.includes('float');
    inputs[name] = onHost ? value : onDevice(value, model.device);
  }
  return inputs;
}

/** The numbers of a file of one TensorProto; null where there is none, or its numbers are elsewhere. */
export function readValue(path: string): HostValue | null {
  if (!existsSync(path)) return null;
  const { value } = readTensorProto(readFileSync(path), path);
  return 'data' in value ? value : null;
}

/** What differs from the numbers expected, or null. */
export async function difference(name: string, actual: Tensor, expected: HostValue): Promise<string | null> {
  if (String(actual.shape) !== String(expected.shape))
    return `${name} is [${actual.shape}], expected [${expected.shape}]`;
  const data = await actual.data();
  for (const [i, value] of data.entries()) {
    const wanted = expected.data[i] ?? Number.NaN;
    if (Object.is(value, wanted) || Math.abs(value - wanted) <= absolute + relative * Math.abs(wanted))
      continue;
    if (value !== wanted) return `${name}[${i}] is ${value}, expected ${wanted}`;
  }
  return null;
}
