/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-call-result-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-tensor-private.h"
#include "pyisolate-value-private.h"

/**
 * PyIsolateCallResult:
 *
 * What a method returned: a value, and the file descriptors that came with it.
 *
 * Since: 0.1
 */
struct _PyIsolateCallResult {
  GObject parent_instance;

  GVariant *value;
  GVariant *expanded; /* atomic: the same with all that is in shared memory, made when it is asked for */
  GBytes *body;
  int *fds; /* owned */
  guint n_fds;
  GPtrArray *memories; /* of PyIsolateMemory, or NULL */
};

enum {
  PROP_0,
  PROP_VALUE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (PyIsolateCallResult, pyisolate_call_result, G_TYPE_OBJECT)

static void
pyisolate_call_result_get_property (GObject    *object,
                                    guint       prop_id,
                                    GValue     *value,
                                    GParamSpec *pspec)
{
  PyIsolateCallResult *self = PYISOLATE_CALL_RESULT (object);

  switch (prop_id)
    {
    case PROP_VALUE:
      g_value_set_variant (value, pyisolate_call_result_get_value (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_call_result_finalize (GObject *object)
{
  PyIsolateCallResult *self = PYISOLATE_CALL_RESULT (object);

  g_clear_pointer (&self->value, g_variant_unref);
  g_clear_pointer (&self->expanded, g_variant_unref);
  g_clear_pointer (&self->body, g_bytes_unref);
  for (guint i = 0; i < self->n_fds; i++)
    _pyisolate_clear_fd (&self->fds[i]);
  g_clear_pointer (&self->fds, g_free);
  g_clear_pointer (&self->memories, g_ptr_array_unref);

  G_OBJECT_CLASS (pyisolate_call_result_parent_class)->finalize (object);
}

static void
pyisolate_call_result_class_init (PyIsolateCallResultClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = pyisolate_call_result_get_property;
  object_class->finalize = pyisolate_call_result_finalize;

  /**
   * PyIsolateCallResult:value:
   *
   * What the method returned.
   *
   * Since: 0.1
   */
  properties[PROP_VALUE] = g_param_spec_variant ("value", NULL, NULL, G_VARIANT_TYPE_ANY, NULL,
                                                 G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_call_result_init (PyIsolateCallResult *self)
{
}

PyIsolateCallResult *
_pyisolate_call_result_new (GVariant       *value,
                            PyIsolateFrame *frame)
{
  PyIsolateCallResult *self = g_object_new (PYISOLATE_TYPE_CALL_RESULT, NULL);

  self->value = g_variant_ref_sink (value);
  self->body = g_bytes_ref (frame->body);
  self->fds = g_steal_pointer (&frame->fds);
  self->n_fds = frame->n_fds;
  frame->n_fds = 0;
  self->memories = g_steal_pointer (&frame->memories);

  return self;
}

/**
 * pyisolate_call_result_get_value: (get-property value)
 * @self: a result
 *
 * Gets what the method returned; docs/values.md says how Python's values look.
 *
 * Returns: (transfer none): the value
 *
 * Since: 0.1
 */
GVariant *
pyisolate_call_result_get_value (PyIsolateCallResult *self)
{
  g_autoptr (GVariant) expanded = NULL;

  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), NULL);

  if (self->value == NULL) /* as a binding may make it */
    return NULL;

  if (g_atomic_pointer_get (&self->expanded) == NULL)
    {
      expanded = _pyisolate_value_expand (self->value, self->memories);
      if (g_atomic_pointer_compare_and_exchange (&self->expanded, NULL, expanded))
        expanded = NULL; /* it has it now */
    }

  return self->expanded;
}

/**
 * pyisolate_call_result_get_body:
 * @self: a result
 *
 * Gets what the method returned in the form in which it came; docs/values.md describes it. This is for language bindings.
 *
 * Returns: (transfer none): a variant in serialised form, of type `v`, known to be in normal form
 *
 * Since: 0.1
 */
GBytes *
pyisolate_call_result_get_body (PyIsolateCallResult *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), NULL);

  return self->body;
}

/**
 * pyisolate_call_result_get_n_fds:
 * @self: a result
 *
 * Gets how many file descriptors came with the value. A value of type `h` in it is the index of one.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint
pyisolate_call_result_get_n_fds (PyIsolateCallResult *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), 0);

  return self->n_fds;
}

/**
 * pyisolate_call_result_dup_fd:
 * @self: a result
 * @index: which one, less than [method@PyIsolate.CallResult.get_n_fds]
 * @error: return location for an error
 *
 * Duplicates one of the file descriptors that came with the value.
 *
 * Fails with %PYISOLATE_ERROR_LIMIT where the process can have no more file descriptors.
 *
 * Returns: a file descriptor that the caller closes, or -1 with @error set
 *
 * Since: 0.1
 */
int
pyisolate_call_result_dup_fd (PyIsolateCallResult  *self,
                              guint                 index,
                              GError              **error)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), -1);
  g_return_val_if_fail (index < self->n_fds, -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  return _pyisolate_dup_fd (self->fds[index], error);
}

/**
 * pyisolate_call_result_dup_tensor:
 * @self: a result
 * @value: what is a tensor in the value of @self, see [func@PyIsolate.value_is_tensor]
 * @error: return location for an error
 *
 * Gets a tensor that is in the value, or is the value.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if @value is no tensor, or one that cannot be true.
 *
 * Returns: (transfer full): the tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_call_result_dup_tensor (PyIsolateCallResult  *self,
                                  GVariant             *value,
                                  GError              **error)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), NULL);
  g_return_val_if_fail (value != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return _pyisolate_tensor_new_from_variant (value, self->memories, error);
}

/**
 * pyisolate_call_result_get_n_memories: (skip)
 * @self: a result
 *
 * Gets how many pieces of shared memory came with the value. This is for language bindings.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint
pyisolate_call_result_get_n_memories (PyIsolateCallResult *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), 0);

  return self->memories != NULL ? self->memories->len : 0;
}

/**
 * pyisolate_call_result_get_memory: (skip)
 * @self: a result
 * @index: which one, less than [method@PyIsolate.CallResult.get_n_memories]
 *
 * Gets a piece of shared memory that came with the value. This is for language bindings.
 *
 * Returns: (transfer none): the memory
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_call_result_get_memory (PyIsolateCallResult *self,
                                  guint                index)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL_RESULT (self), NULL);
  g_return_val_if_fail (self->memories != NULL && index < self->memories->len, NULL);

  return g_ptr_array_index (self->memories, index);
}
