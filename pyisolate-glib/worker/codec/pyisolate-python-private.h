/* SPDX-License-Identifier: MIT */
/* Python's limited API as of 3.9, and what it exports there without declaring it.
 *
 * Every file that talks to Python includes this header in place of Python.h. The buffer protocol
 * entered the limited API in 3.11 and PyUnicode_AsUTF8AndSize() in 3.10, but interpreters from 3.9
 * on export them with the same ABI and honour the slots.
 */
#pragma once

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x03090000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if Py_LIMITED_API < 0x030A0000
extern const char *PyUnicode_AsUTF8AndSize (PyObject   *unicode,
                                            Py_ssize_t *size);
#endif

#if Py_LIMITED_API < 0x030B0000
typedef struct bufferinfo {
  void       *buf;
  PyObject   *obj;
  Py_ssize_t  len;
  Py_ssize_t  itemsize;
  int         readonly;
  int         ndim;
  char       *format;
  Py_ssize_t *shape;
  Py_ssize_t *strides;
  Py_ssize_t *suboffsets;
  void       *internal;
} Py_buffer;

extern int  PyObject_GetBuffer (PyObject  *exporter,
                                Py_buffer *view,
                                int        flags);
extern void PyBuffer_Release   (Py_buffer *view);

#undef Py_bf_getbuffer
#undef Py_bf_releasebuffer
#define Py_bf_getbuffer 1
#define Py_bf_releasebuffer 2
#ifndef PyBUF_WRITABLE
#define PyBUF_SIMPLE 0
#define PyBUF_WRITABLE 0x0001
#define PyBUF_FORMAT 0x0004
#define PyBUF_ND 0x0008
#define PyBUF_STRIDES (0x0010 | PyBUF_ND)
#define PyBUF_C_CONTIGUOUS (0x0020 | PyBUF_STRIDES)
#define PyBUF_F_CONTIGUOUS (0x0040 | PyBUF_STRIDES)
#define PyBUF_ANY_CONTIGUOUS (0x0080 | PyBUF_STRIDES)
#endif
#endif

/* Exported by some: to be looked at before it is called. */
extern PyObject *_PyDict_NewPresized (Py_ssize_t n_entries) __attribute__ ((weak));

/* Exported by all of them since 3.7, but never declared to users of the limited API. */
extern PyObject *PyContext_Copy    (PyObject *context);
extern int       PyContext_Enter   (PyObject *context);
extern int       PyContext_Exit    (PyObject *context);
extern int       PyContextVar_Get  (PyObject  *variable,
                                    PyObject  *default_value,
                                    PyObject **value);
extern PyObject *PyContextVar_Set  (PyObject *variable,
                                    PyObject *value);
