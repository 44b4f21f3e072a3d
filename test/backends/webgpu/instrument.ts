/**
 * Programs that watch their own indices: WGSL is rewritten, before it is compiled, so that each index into storage or
 * workgroup memory is compared with the array's length, and those outside are counted. Workgroup memory
 * begins full of NaN, so that what is read before it was written shows in results.
 */

const watching = `@group(1) @binding(0) var<storage, read_write> faults: array<atomic<i32>, 2>;
var<private> outside: i32;
var<private> last: i32;
fn within(index: i32, length: i32) -> i32 {
  if (u32(index) >= u32(length)) { outside++; last = index; }
  return index;
}`;

/** An array in storage or workgroup memory; its length as WGSL. */
interface Watched {
  readonly name: string;
  readonly element: string;
  readonly length: string;
  readonly workgroup: boolean;
}

/** The program's arrays. @throws {Error} for a declaration that isn't understood */
function arraysOf(code: string): Watched[] {
  return [...code.matchAll(/var<(storage[^>]*|workgroup)>\s+(\w+)\s*:\s*([^;]*);/g)].map(
    ([declaration, space, name, type]) => {
      const array = /^array<(.*?)(?:,\s*(\w+))?>$/s.exec(type!.trim());
      if (!array) throw new Error(`instrument: ${declaration} isn't an array`);
      const [, element = '', count] = array;
      const length = count === undefined ? `i32(arrayLength(&${name}))` : `${count}`;
      return { name: name!, element, length, workgroup: space === 'workgroup' };
    },
  );
}

/** Puts `within` around each index into one of the arrays. */
function watchIndices(code: string, arrays: ReadonlyMap<string, Watched>): string {
  let out = '';
  let from = 0;
  for (const match of code.matchAll(/\b(\w+)\[/g)) {
    const array = arrays.get(match[1]!);
    if (!array || match.index < from) continue;
    const start = match.index + match[0].length;
    let end = start;
    for (let depth = 1; depth > 0; end++) {
      if (code[end] === '[') depth++;
      if (code[end] === ']') depth--;
    }
    const index = watchIndices(code.slice(start, end - 1), arrays);
    out += `${code.slice(from, start)}within(i32(${index}), ${array.length})]`;
    from = end;
  }
  return out + code.slice(from);
}

const nan = 'bitcast<f32>(0x7fc00000u + localIndex * 0u)';
const poisons: Readonly<Record<string, string>> = {
  f32: nan,
  'vec4<f32>': `vec4f(${nan})`,
  vec4f: `vec4f(${nan})`,
};

/** The rewritten program. */
export function instrumented(code: string): string {
  const arrays = new Map(arraysOf(code).map((array) => [array.name, array]));
  const [head = '', threads = '', parameters = ''] =
    /@compute @workgroup_size\(([^)]*)\)\s*fn main\(((?:[^()]|\([^()]*\))*)\)/.exec(code) ?? [];
  const plain = parameters.replaceAll(/@builtin\(\w+\)\s*/g, '');
  const names = [...plain.matchAll(/(\w+):/g)].map(([, name]) => name).join(', ');
  const fills = [...arrays.values()]
    .filter(({ workgroup, element }) => workgroup && poisons[element])
    .map(
      ({ name, element, length }) =>
        `for (var f = i32(localIndex); f < ${length}; f += ${threads.split(',')[0]}) { ${name}[f] = ${poisons[element]}; }`,
    );
  const poisoned = fills.length > 0 ? `${fills.join('\n')}\nworkgroupBarrier();` : '';
  const enables = (/^(enable \w+;\n)*/.exec(code) ?? [''])[0];
  return `${enables}${watching}
${watchIndices(code.slice(enables.length).replace(head, `fn inner(${plain})`), arrays)}
@compute @workgroup_size(${threads})
fn main(${parameters}) {
${poisoned}
inner(${names});
if (outside > 0) { atomicAdd(&faults[0], outside); atomicStore(&faults[1], last); }
}`;
}

/** Makes a device compile instrumented programs. Gives a buffer of the number of indices outside, and one of them. */
export function instrument(gpu: GPUDevice): GPUBuffer {
  const faults = gpu.createBuffer({ size: 8, usage: 0x84 }); // STORAGE | COPY_SRC
  const entries: GPUBindGroupLayoutEntry[] = [{ binding: 0, visibility: 4, buffer: { type: 'storage' } }];
  const layout = gpu.createBindGroupLayout({ entries });
  const group = gpu.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: faults } }] });
  const { createShaderModule, createBindGroupLayout, createPipelineLayout, createCommandEncoder } = gpu;
  // A stage has room for eight storage buffers: programs of so many aren't watched.
  const full = new WeakSet<object>();
  const isFull = (code: string): boolean => code.split('var<storage').length > 8;
  gpu.createShaderModule = (descriptor) =>
    createShaderModule.call(
      gpu,
      isFull(descriptor.code) ? descriptor : { ...descriptor, code: instrumented(descriptor.code) },
    );
  gpu.createBindGroupLayout = (descriptor) => {
    const made = createBindGroupLayout.call(gpu, descriptor);
    if ([...descriptor.entries].length > 8) full.add(made);
    return made;
  };
  gpu.createPipelineLayout = (descriptor) => {
    const [own = null] = [...descriptor.bindGroupLayouts];
    const watched = own === null || full.has(own) ? [own] : [own, layout];
    return createPipelineLayout.call(gpu, { bindGroupLayouts: watched });
  };
  gpu.createCommandEncoder = (descriptor) => {
    const encoder = createCommandEncoder.call(gpu, descriptor);
    const { beginComputePass } = encoder;
    encoder.beginComputePass = (descriptor) => {
      const pass = beginComputePass.call(encoder, descriptor);
      pass.setBindGroup(1, group);
      return pass;
    };
    return encoder;
  };
  return faults;
}
