/*
 * A library of the standard ABI of MPI 5, as far as Tandem calls one, on top of Open MPI 4 or 5, for machines that have none:
 * its handles and constants are turned into Open MPI's. A handle that the standard doesn't name ends the process.
 *
 *     cc -shared -fPIC -o libmpi_abi.so.0 standardAbi.c -ldl
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *handle;

static void *found(const char *name) {
  static void *library;
  if (!library) library = dlopen("libmpi.so.40", RTLD_NOW | RTLD_GLOBAL);
  void *symbol = library ? dlsym(library, name) : NULL;
  if (!symbol) {
    fprintf(stderr, "standardAbi.c: Open MPI has no %s\n", name);
    exit(70);
  }
  return symbol;
}

static handle unknown(const char *what, handle given) {
  fprintf(stderr, "standardAbi.c: %p is no %s of the standard ABI\n", given, what);
  exit(71);
}

/* Predefined handles are below 2^12, others are what a function gave. */
static handle comm(handle given) {
  if ((uintptr_t)given >= 4096) return given;
  return (uintptr_t)given == 0x101 ? found("ompi_mpi_comm_world") : unknown("communicator", given);
}

static handle type(handle given) {
  switch ((uintptr_t)given) {
    case 0x210: return found("ompi_mpi_float");
    case 0x214: return found("ompi_mpi_double");
    case 0x247: return found("ompi_mpi_byte");
    default: return unknown("type", given);
  }
}

static handle op(handle given) {
  return (uintptr_t)given == 0x21 ? found("ompi_mpi_op_sum") : unknown("operation", given);
}

static int peer(int rank) { return rank == -3 ? -2 : rank; }

#define CALL(name, types, args) return ((int(*) types)found(name)) args

int MPI_Abi_get_version(int *major, int *minor) {
  *major = 1;
  *minor = 0;
  return 0;
}

int MPI_Get_library_version(char *text, int *length) {
  *length = sprintf(text, "the standard ABI over Open MPI");
  return 0;
}

int MPI_Init_thread(int *argc, char ***argv, int wanted, int *provided) {
  int level = 0;
  int code = ((int (*)(int *, char ***, int, int *))found("PMPI_Init_thread"))(argc, argv, wanted / 1024, &level);
  *provided = level * 1024;
  return code;
}

int MPI_Finalize(void) { CALL("PMPI_Finalize", (void), ()); }
int MPI_Abort(handle c, int code) { CALL("PMPI_Abort", (handle, int), (comm(c), code)); }
int MPI_Comm_rank(handle c, int *out) { CALL("PMPI_Comm_rank", (handle, int *), (comm(c), out)); }
int MPI_Comm_size(handle c, int *out) { CALL("PMPI_Comm_size", (handle, int *), (comm(c), out)); }

int MPI_Comm_split(handle c, int color, int key, handle *out) {
  CALL("PMPI_Comm_split", (handle, int, int, handle *), (comm(c), color, key, out));
}

int MPI_Ibarrier(handle c, handle *request) {
  CALL("PMPI_Ibarrier", (handle, handle *), (comm(c), request));
}

int MPI_Isend(void *data, int n, handle t, int to, int tag, handle c, handle *request) {
  CALL("PMPI_Isend", (void *, int, handle, int, int, handle, handle *),
       (data, n, type(t), peer(to), tag, comm(c), request));
}

int MPI_Irecv(void *data, int n, handle t, int from, int tag, handle c, handle *request) {
  CALL("PMPI_Irecv", (void *, int, handle, int, int, handle, handle *),
       (data, n, type(t), peer(from), tag, comm(c), request));
}

int MPI_Test(handle *request, int *flag, void *status) {
  CALL("PMPI_Test", (handle *, int *, void *), (request, flag, status));
}

int MPI_Sendrecv(void *out, int n, handle t, int to, int tag, void *back, int m, handle u, int from, int other, handle c,
                 void *status) {
  CALL("PMPI_Sendrecv", (void *, int, handle, int, int, void *, int, handle, int, int, handle, void *),
       (out, n, type(t), peer(to), tag, back, m, type(u), peer(from), other, comm(c), status));
}

int MPI_Allgather(void *out, int n, handle t, void *all, int m, handle u, handle c) {
  CALL("PMPI_Allgather", (void *, int, handle, void *, int, handle, handle), (out, n, type(t), all, m, type(u), comm(c)));
}

/* MPI_IN_PLACE is 1 in both. */
int MPI_Allreduce(void *out, void *sum, int n, handle t, handle o, handle c) {
  CALL("PMPI_Allreduce", (void *, void *, int, handle, handle, handle), (out, sum, n, type(t), op(o), comm(c)));
}

int MPI_Bcast(void *data, int n, handle t, int root, handle c) {
  CALL("PMPI_Bcast", (void *, int, handle, int, handle), (data, n, type(t), root, comm(c)));
}

int MPI_Reduce_local(void *in, void *out, int n, handle t, handle o) {
  CALL("PMPI_Reduce_local", (void *, void *, int, handle, handle), (in, out, n, type(t), op(o)));
}
