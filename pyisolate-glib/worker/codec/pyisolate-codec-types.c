/* SPDX-License-Identifier: MIT */
/* Which types can travel, besides those that GVariant has: by table, exact types only.
 *
 * Classes of the standard library, of NumPy and torch are looked up in sys.modules: a value of such a class cannot
 * exist before its module was imported, and an extension that uses none should not pay for the
 * import. The tables are shared by the process and guarded by the GIL.
 */
#include "config.h"

#include "pyisolate-codec-array.h"

static const struct {
  CodecKind   kind;
  const char *module;
  const char *name;
} library_types[] = {
  { KIND_DATETIME, "datetime", "datetime" },
  { KIND_DATE, "datetime", "date" },
  { KIND_TIME, "datetime", "time" },
  { KIND_TIMEDELTA, "datetime", "timedelta" },
  { KIND_TIMEZONE, "datetime", "timezone" },
  { KIND_ZONEINFO, "zoneinfo", "ZoneInfo" },
  { KIND_DECIMAL, "decimal", "Decimal" },
  { KIND_UUID, "uuid", "UUID" },
  { KIND_PURE_POSIX_PATH, "pathlib", "PurePosixPath" },
  { KIND_PURE_WINDOWS_PATH, "pathlib", "PureWindowsPath" },
  { KIND_POSIX_PATH, "pathlib", "PosixPath" },
  { KIND_WINDOWS_PATH, "pathlib", "WindowsPath" },
  { KIND_NUMPY_ARRAY, "numpy", "ndarray" },
  { KIND_NUMPY_MEMMAP, "numpy", "memmap" },
  { KIND_TORCH_TENSOR, "torch", "Tensor" },
  { KIND_TORCH_PARAMETER, "torch.nn", "Parameter" },
};

static GHashTable *kinds;         /* PyTypeObject (owned) → CodecKind */
static PyObject   *classes[N_KINDS];
static GHashTable *registrations; /* PyTypeObject (of the registration) → CodecRegistration */
static GHashTable *objects;       /* name → CodecRegistration: enums and dataclasses */
static GHashTable *encoders;      /* name → CodecRegistration: encoder pairs */

static void
learn_type (PyObject *type,
            CodecKind kind)
{
  Py_INCREF (type);
  g_hash_table_insert (kinds, type, GINT_TO_POINTER (kind));
}

/* @module.@name if somebody has imported the module. New reference; NULL without an exception. */
static PyObject *
get_imported_class (const char *module_name,
                    const char *name)
{
  PyObject *key = PyUnicode_FromString (module_name);
  PyObject *module = key != NULL ? PyImport_GetModule (key) : NULL;
  PyObject *cls = module != NULL ? _pyisolate_codec_get (module, name) : NULL;

  Py_XDECREF (key);
  Py_XDECREF (module);
  PyErr_Clear ();
  if (cls != NULL && !PyType_Check (cls))
    Py_CLEAR (cls);
  return cls;
}

static void
learn_library_types (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (library_types); i++)
    {
      CodecKind kind = library_types[i].kind;

      if (classes[kind] != NULL)
        continue;
      classes[kind] = get_imported_class (library_types[i].module, library_types[i].name);
      if (classes[kind] != NULL)
        learn_type (classes[kind], kind);
    }
}

static gboolean
is_numpy_scalar (PyTypeObject *type)
{
  PyObject *generic = get_imported_class ("numpy", "generic");
  gboolean is_scalar = generic != NULL && PyType_IsSubtype (type, (PyTypeObject *) generic);

  Py_XDECREF (generic);
  return is_scalar;
}

/* The kind of a type that has no form of its own in GVariant. */
CodecKind
_pyisolate_codec_types_find (PyTypeObject *type)
{
  CodecKind kind = GPOINTER_TO_INT (g_hash_table_lookup (kinds, type));

  if (kind != KIND_NONE)
    return kind;

  learn_library_types ();
  kind = GPOINTER_TO_INT (g_hash_table_lookup (kinds, type));
  if (kind == KIND_NONE && is_numpy_scalar (type))
    {
      kind = KIND_NUMPY_SCALAR;
      learn_type ((PyObject *) type, kind);
    }
  return kind;
}

/* The class of a kind of the standard library; imports it if need be. New reference. */
PyObject *
_pyisolate_codec_types_import (CodecKind kind)
{
  if (classes[kind] == NULL)
    {
      for (guint i = 0; i < G_N_ELEMENTS (library_types); i++)
        {
          PyObject *module;

          if (library_types[i].kind != kind)
            continue;
          module = PyImport_ImportModule (library_types[i].module);
          if (module == NULL)
            return NULL;
          Py_DECREF (module);
        }
      learn_library_types ();
    }

  if (classes[kind] == NULL)
    {
      PyErr_SetString (PyExc_ImportError, "a class of the standard library is missing");
      return NULL;
    }
  Py_INCREF (classes[kind]);
  return classes[kind];
}

/* "numpy.ndarray", "dict" */
char *
_pyisolate_codec_type_name (PyTypeObject *type)
{
  PyObject *module = _pyisolate_codec_get ((PyObject *) type, "__module__");
  PyObject *name = _pyisolate_codec_get ((PyObject *) type, "__qualname__");
  const char *module_text = NULL, *name_text = NULL;
  char *result;

  PyErr_Clear ();
  if (module != NULL && PyUnicode_Check (module))
    module_text = PyUnicode_AsUTF8AndSize (module, NULL);
  if (name != NULL && PyUnicode_Check (name))
    name_text = PyUnicode_AsUTF8AndSize (name, NULL);
  PyErr_Clear ();

  if (name_text == NULL)
    name_text = "?";
  if (module_text == NULL || strcmp (module_text, "builtins") == 0)
    result = g_strdup (name_text);
  else
    result = g_strconcat (module_text, ".", name_text, NULL);
  Py_XDECREF (module);
  Py_XDECREF (name);
  return result;
}

/* --- Registration --- */

static void
registration_free (CodecRegistration *self)
{
  Py_XDECREF (self->cls);
  Py_XDECREF (self->name);
  Py_XDECREF (self->fields);
  Py_XDECREF (self->encode);
  Py_XDECREF (self->decode);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CodecRegistration, registration_free)

static CodecRegistration *
registration_new (CodecKind kind,
                  PyObject *cls,
                  PyObject *name)
{
  CodecRegistration *self = g_new0 (CodecRegistration, 1);

  self->kind = kind;
  self->cls = cls;
  self->name = name;
  Py_INCREF (cls);
  Py_INCREF (name);
  return self;
}

CodecRegistration *
_pyisolate_codec_registry_find (PyTypeObject *type)
{
  return g_hash_table_lookup (registrations, type);
}

CodecRegistration *
_pyisolate_codec_registry_by_name (PyObject *name,
                                   gboolean  of_encoders)
{
  const char *text = PyUnicode_AsUTF8AndSize (name, NULL);

  if (text == NULL)
    {
      PyErr_Clear ();
      return NULL;
    }
  return g_hash_table_lookup (of_encoders ? encoders : objects, text);
}

/* Enters @registration, which is consumed, into the tables. */
static PyObject *
registry_add (CodecRegistration *registration)
{
  g_autoptr(CodecRegistration) self = registration;
  GHashTable *names = self->kind == KIND_ENCODER ? encoders : objects;
  const CodecRegistration *same_name, *same_class;
  Py_ssize_t length;
  const char *name = PyUnicode_AsUTF8AndSize (self->name, &length);

  if (name == NULL)
    return NULL;
  if (length == 0 || memchr (name, 0, length) != NULL)
    {
      PyErr_SetString (PyExc_ValueError, "the name is empty or has a NUL character in it");
      return NULL;
    }

  same_name = g_hash_table_lookup (names, name);
  same_class = g_hash_table_lookup (registrations, self->cls);
  if (same_class != NULL && same_class == same_name && self->kind != KIND_ENCODER)
    Py_RETURN_NONE;
  if (same_name != NULL)
    {
      PyErr_Format (PyExc_ValueError, "the name '%s' is registered for %R already", name,
                    same_name->cls);
      return NULL;
    }
  if (same_class != NULL)
    {
      PyErr_Format (PyExc_ValueError, "%R is registered as '%U' already", self->cls,
                    same_class->name);
      return NULL;
    }
  if (_pyisolate_codec_types_find ((PyTypeObject *) self->cls) != KIND_NONE)
    {
      PyErr_Format (PyExc_TypeError, "%R can be sent as it is", self->cls);
      return NULL;
    }

  learn_type (self->cls, self->kind);
  g_hash_table_insert (registrations, self->cls, self);
  g_hash_table_insert (names, g_strdup (name), self);
  g_steal_pointer (&self);
  Py_RETURN_NONE;
}

static gboolean
is_subclass_of_imported (PyObject   *cls,
                         const char *module,
                         const char *name)
{
  PyObject *base = get_imported_class (module, name);
  gboolean is = base != NULL && PyType_IsSubtype ((PyTypeObject *) cls, (PyTypeObject *) base);

  Py_XDECREF (base);
  return is;
}

/* Whether all of @cls is in its fields: a base in C may keep state of its own. */
static gboolean
has_only_python_bases (PyObject *cls)
{
  PyObject *mro = _pyisolate_codec_get (cls, "__mro__");
  gboolean result = mro != NULL && PyTuple_Check (mro);

  for (Py_ssize_t i = 0; result && i < PyTuple_Size (mro); i++)
    {
      PyObject *base = PyTuple_GetItem (mro, i);

      if (base != (PyObject *) &PyBaseObject_Type
          && (PyType_GetFlags ((PyTypeObject *) base) & Py_TPFLAGS_HEAPTYPE) == 0)
        result = FALSE;
    }
  Py_XDECREF (mro);
  PyErr_Clear ();
  return result;
}

/* A tuple of the names of the fields. NULL without an exception: @cls is no dataclass. */
static PyObject *
get_dataclass_fields (PyObject *cls)
{
  PyObject *dict = _pyisolate_codec_get (cls, "__dict__");
  PyObject *marker = NULL, *module = NULL, *fields = NULL, *names = NULL;
  Py_ssize_t n_fields;

  if (dict != NULL)
    marker = PyMapping_GetItemString (dict, "__dataclass_fields__");
  Py_XDECREF (dict);
  PyErr_Clear ();
  if (marker == NULL)
    return NULL;
  Py_DECREF (marker);

  module = PyImport_ImportModule ("dataclasses");
  if (module != NULL)
    fields = _pyisolate_codec_call (module, "fields", cls);
  Py_XDECREF (module);
  n_fields = fields != NULL ? PyTuple_Size (fields) : -1;
  names = n_fields >= 0 ? PyTuple_New (n_fields) : NULL;
  for (Py_ssize_t i = 0; names != NULL && i < n_fields; i++)
    {
      PyObject *name = _pyisolate_codec_get (PyTuple_GetItem (fields, i), "name");

      if (name == NULL || PyTuple_SetItem (names, i, name) < 0)
        Py_CLEAR (names);
    }
  Py_XDECREF (fields);
  return names;
}

/* What register_type() would make of @cls, with @fields of a dataclass; KIND_NONE, perhaps with an exception. */
static CodecKind
get_registered_kind (PyObject  *cls,
                     PyObject **fields)
{
  *fields = NULL;
  if (is_subclass_of_imported (cls, "enum", "Flag"))
    return KIND_FLAG;
  if (is_subclass_of_imported (cls, "enum", "Enum"))
    return KIND_ENUM;
  *fields = get_dataclass_fields (cls);
  if (*fields != NULL && has_only_python_bases (cls))
    return KIND_DATACLASS;
  Py_CLEAR (*fields);
  return KIND_NONE;
}

/* Whether @type could be given to register_type(). */
gboolean
_pyisolate_codec_can_register (PyTypeObject *type)
{
  PyObject *fields;
  CodecKind kind = get_registered_kind ((PyObject *) type, &fields);

  Py_XDECREF (fields);
  PyErr_Clear ();
  return kind != KIND_NONE;
}

static PyObject *
register_type (PyObject *module,
               PyObject *args,
               PyObject *kwargs)
{
  static char *keywords[] = { "cls", "name", NULL };
  PyObject *cls, *name;
  PyObject *fields;
  CodecKind kind;
  CodecRegistration *registration;

  if (!PyArg_ParseTupleAndKeywords (args, kwargs, "O!U:register_type", keywords, &PyType_Type, &cls,
                                    &name))
    return NULL;

  kind = get_registered_kind (cls, &fields);
  if (kind == KIND_NONE)
    {
      if (!PyErr_Occurred ())
        PyErr_Format (PyExc_TypeError, "%R is neither an enum nor a dataclass made of Python "
                                       "classes; use register_encoder", cls);
      return NULL;
    }

  registration = registration_new (kind, cls, name);
  registration->fields = fields;
  return registry_add (registration);
}

static gboolean
is_natural (PyObject *cls)
{
  return cls == (PyObject *) &PyUnicode_Type || cls == (PyObject *) &PyLong_Type
         || cls == (PyObject *) &PyFloat_Type || cls == (PyObject *) Py_TYPE (Py_None)
         || cls == (PyObject *) &PyBool_Type || cls == (PyObject *) &PyDict_Type
         || cls == (PyObject *) &PyList_Type || cls == (PyObject *) &PyTuple_Type
         || cls == (PyObject *) &PyBytes_Type;
}

static PyObject *
register_encoder (PyObject *module,
                  PyObject *args,
                  PyObject *kwargs)
{
  static char *keywords[] = { "cls", "name", "encode", "decode", NULL };
  PyObject *cls, *name, *encode, *decode;
  CodecRegistration *registration;

  if (!PyArg_ParseTupleAndKeywords (args, kwargs, "O!UOO:register_encoder", keywords, &PyType_Type,
                                    &cls, &name, &encode, &decode))
    return NULL;
  if (!PyCallable_Check (encode) || !PyCallable_Check (decode))
    {
      PyErr_SetString (PyExc_TypeError, "encode and decode must be callable");
      return NULL;
    }
  if (is_natural (cls))
    {
      PyErr_Format (PyExc_TypeError, "%R can be sent as it is", cls);
      return NULL;
    }

  registration = registration_new (KIND_ENCODER, cls, name);
  registration->encode = encode;
  registration->decode = decode;
  Py_INCREF (encode);
  Py_INCREF (decode);
  return registry_add (registration);
}

static PyMethodDef functions[] = {
  { "register_type", (PyCFunction) (void *) register_type, METH_VARARGS | METH_KEYWORDS,
    "register_type(cls, name)\n--\n\n"
    "Let members of an enum, or instances of a dataclass, be sent and received under a name." },
  { "register_encoder", (PyCFunction) (void *) register_encoder, METH_VARARGS | METH_KEYWORDS,
    "register_encoder(cls, name, encode, decode)\n--\n\n"
    "Let instances of a class be sent as what encode(instance) returns, and be received as what\n"
    "decode(value) makes of it, under a name." },
  { NULL }
};

gboolean
_pyisolate_codec_types_init (PyObject *module)
{
  if (kinds == NULL)
    {
      kinds = g_hash_table_new (NULL, NULL);
      registrations = g_hash_table_new (NULL, NULL);
      objects = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      encoders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      learn_type ((PyObject *) &PyByteArray_Type, KIND_BYTEARRAY);
      learn_type ((PyObject *) &PyMemoryView_Type, KIND_MEMORYVIEW);
      learn_type ((PyObject *) &PySet_Type, KIND_SET);
      learn_type ((PyObject *) &PyFrozenSet_Type, KIND_FROZENSET);
      learn_type ((PyObject *) &PyComplex_Type, KIND_COMPLEX);
      learn_type ((PyObject *) _pyisolate_codec_fd_type (), KIND_FD);
      learn_type ((PyObject *) _pyisolate_tensor_type (), KIND_TENSOR);
    }
  return PyModule_AddFunctions (module, functions) == 0;
}
