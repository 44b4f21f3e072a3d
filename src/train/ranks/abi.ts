/**
 * What MPI's names stand for in each family of libraries: MPI 1 to 4 fix the functions, not the values of constants.
 *
 * | | Open MPI | MPICH (Intel, MVAPICH, Cray) | the standard ABI of MPI 5 |
 * |---|---|---|---|
 * | a handle is | a pointer | an int | a pointer |
 * | MPI_COMM_WORLD and the like | addresses of variables | numbers | small numbers |
 */
import type { Family } from './launcher.js';

/** Elements that ranks exchange. */
type ElementType = 'byte' | 'float' | 'double';

/** A handle or address as it is handed to C. */
export type Handle = number | bigint;

/** A family's constants. */
export interface Abi {
  readonly family: Family;
  /** The C type of handles. */
  readonly handle: 'int' | 'void *';
  readonly world: Handle;
  readonly types: Readonly<Record<ElementType, Handle>>;
  readonly sum: Handle;
  /** The address that stands for "what is sent lies where the result goes". */
  readonly inPlace: bigint;
  /** The rank that stands for nobody, to whom nothing is sent. */
  readonly none: number;
  /** The level of thread support that lets any one thread at a time call. */
  readonly serialized: number;
}

/** Names of the libraries of each family, as the loader knows them. */
export const libraryNames: Readonly<Record<Family, readonly string[]>> = {
  openmpi: ['libmpi.so.40', 'libmpi.so', 'libmpi.40.dylib', 'libmpi.dylib'],
  mpich: ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib'],
  standard: ['libmpi_abi.so.0', 'libmpi_abi.so', 'libmpi_abi.dylib'],
};

/** What tells families apart, and where Open MPI's constants lie. */
interface Symbols {
  /** The address of a variable; null where there is none of that name. */
  address(name: string): bigint | null;
  /** The version of the standard ABI that the library keeps to; 0 where it doesn't. */
  standardAbi(): number;
}

/** The constants of a library. */
export function abiOf({ address, standardAbi }: Symbols): Abi {
  if (standardAbi() > 0) {
    return {
      family: 'standard',
      handle: 'void *',
      world: 0x101n,
      types: { byte: 0x247n, float: 0x210n, double: 0x214n },
      sum: 0x21n,
      inPlace: 1n,
      none: -3,
      serialized: 2048,
    };
  }
  const world = address('ompi_mpi_comm_world');
  if (world !== null) {
    const at = (name: string): bigint => address(`ompi_mpi_${name}`) ?? 0n;
    return {
      family: 'openmpi',
      handle: 'void *',
      world,
      types: { byte: at('byte'), float: at('float'), double: at('double') },
      sum: at('op_sum'),
      inPlace: 1n,
      none: -2,
      serialized: 2,
    };
  }
  return {
    family: 'mpich',
    handle: 'int',
    world: 0x44000000,
    types: { byte: 0x4c00010d, float: 0x4c00040a, double: 0x4c00080b },
    sum: 0x58000003,
    inPlace: 2n ** 64n - 1n,
    none: -1,
    serialized: 2,
  };
}
