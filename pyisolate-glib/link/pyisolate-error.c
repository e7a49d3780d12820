/* SPDX-License-Identifier: MIT */
/* The error domain, and the names of its codes on D-Bus. */
#include "config.h"

#include "pyisolate-error-private.h"

#include <string.h>

typedef struct {
  PyIsolateRemoteException *exception; /* owned, nullable */
} PyIsolateErrorPrivate;

static const char *const dbus_names[] = {
  "Failed",         "BadConfig",    "UvMissing",     "Unsolvable",      "Network",
  "BadRequirement", "PythonNotFound", "Environment", "Spawn",           "Handshake",
  "ImportFailed",   "NoSuchMethod", "BadValue",      "RemoteException", "TimedOut",
  "Died",           "Killed",       "OutOfMemory",   "BadMessage",      "NotRunning",
  "Limit",          "BadTensor",
};
G_STATIC_ASSERT (G_N_ELEMENTS (dbus_names) == PYISOLATE_N_ERRORS);

static void
pyisolate_error_private_init (PyIsolateErrorPrivate *priv)
{
  priv->exception = NULL;
}

static void
pyisolate_error_private_copy (const PyIsolateErrorPrivate *source,
                              PyIsolateErrorPrivate       *target)
{
  g_set_object (&target->exception, source->exception);
}

static void
pyisolate_error_private_clear (PyIsolateErrorPrivate *priv)
{
  g_clear_object (&priv->exception);
}

G_DEFINE_EXTENDED_ERROR (PyIsolateError, pyisolate_error)

const char *
_pyisolate_error_get_dbus_name (PyIsolateError code)
{
  static const char *full_names[PYISOLATE_N_ERRORS];
  static gsize initialized = 0;

  g_assert ((int) code >= 0 && (int) code < PYISOLATE_N_ERRORS);

  if (g_once_init_enter (&initialized))
    {
      for (guint i = 0; i < PYISOLATE_N_ERRORS; i++)
        {
          g_autofree char *name = g_strconcat (PYISOLATE_ERROR_DBUS_PREFIX, dbus_names[i], NULL);
          full_names[i] = g_intern_string (name);
        }
      g_once_init_leave (&initialized, 1);
    }

  return full_names[code];
}

gboolean
_pyisolate_error_from_dbus_name (const char     *dbus_name,
                                 PyIsolateError *code)
{
  g_assert (dbus_name != NULL);
  g_assert (code != NULL);

  if (!g_str_has_prefix (dbus_name, PYISOLATE_ERROR_DBUS_PREFIX))
    return FALSE;

  for (guint i = 0; i < PYISOLATE_N_ERRORS; i++)
    {
      if (strcmp (dbus_name + strlen (PYISOLATE_ERROR_DBUS_PREFIX), dbus_names[i]) == 0)
        {
          *code = (PyIsolateError) i;
          return TRUE;
        }
    }

  return FALSE;
}

void
_pyisolate_error_set_remote_exception (GError                   *error,
                                       PyIsolateRemoteException *exception)
{
  PyIsolateErrorPrivate *priv;

  g_assert (error != NULL && error->domain == PYISOLATE_ERROR);

  priv = pyisolate_error_get_private (error);
  g_set_object (&priv->exception, exception);
}

GError *
_pyisolate_error_new_remote_exception (const char               *message,
                                       PyIsolateRemoteException *exception)
{
  GError *error = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION, message);

  _pyisolate_error_set_remote_exception (error, exception);

  return error;
}

/**
 * pyisolate_error_dup_remote_exception:
 * @error: an error
 *
 * Gets the Python exception that @error stands for.
 *
 * Language bindings keep only domain, code and message of an error; there use
 * [method@PyIsolate.Call.dup_remote_exception].
 *
 * Returns: (transfer full) (nullable): the exception, or %NULL if @error carries none
 *
 * Since: 0.1
 */
PyIsolateRemoteException *
pyisolate_error_dup_remote_exception (const GError *error)
{
  PyIsolateErrorPrivate *priv;

  g_return_val_if_fail (error != NULL, NULL);

  if (error->domain != PYISOLATE_ERROR)
    return NULL;

  priv = pyisolate_error_get_private (error);
  return priv->exception != NULL ? g_object_ref (priv->exception) : NULL;
}
