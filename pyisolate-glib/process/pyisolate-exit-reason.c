/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-exit-reason-private.h"

#include <signal.h>

/**
 * PyIsolateExitReason:
 *
 * How the process of an extension ended, and whether that was asked for.
 *
 * Since: 0.1
 */
struct _PyIsolateExitReason {
  GObject parent_instance;

  /* All of it is fixed at construction and may be read from any thread. */
  PyIsolateExitKind kind;
  int status;
  gboolean core_dumped;
  gboolean expected;
  char *message;
};

enum {
  PROP_0,
  PROP_KIND,
  PROP_STATUS,
  PROP_CORE_DUMPED,
  PROP_EXPECTED,
  PROP_MESSAGE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_ENUM_TYPE (PyIsolateExitKind, pyisolate_exit_kind,
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXIT_KIND_EXITED, "exited"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXIT_KIND_SIGNALED, "signaled"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXIT_KIND_OUT_OF_MEMORY, "out-of-memory"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXIT_KIND_LINK_CLOSED, "link-closed"))

G_DEFINE_FINAL_TYPE (PyIsolateExitReason, pyisolate_exit_reason, G_TYPE_OBJECT)

static void
pyisolate_exit_reason_get_property (GObject    *object,
                                    guint       prop_id,
                                    GValue     *value,
                                    GParamSpec *pspec)
{
  PyIsolateExitReason *self = PYISOLATE_EXIT_REASON (object);

  switch (prop_id)
    {
    case PROP_KIND:
      g_value_set_enum (value, self->kind);
      break;

    case PROP_STATUS:
      g_value_set_int (value, self->status);
      break;

    case PROP_CORE_DUMPED:
      g_value_set_boolean (value, self->core_dumped);
      break;

    case PROP_EXPECTED:
      g_value_set_boolean (value, self->expected);
      break;

    case PROP_MESSAGE:
      g_value_set_string (value, self->message);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_exit_reason_finalize (GObject *object)
{
  PyIsolateExitReason *self = PYISOLATE_EXIT_REASON (object);

  g_clear_pointer (&self->message, g_free);

  G_OBJECT_CLASS (pyisolate_exit_reason_parent_class)->finalize (object);
}

static void
pyisolate_exit_reason_class_init (PyIsolateExitReasonClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = pyisolate_exit_reason_get_property;
  object_class->finalize = pyisolate_exit_reason_finalize;

  /**
   * PyIsolateExitReason:kind:
   *
   * What ended the process.
   *
   * Since: 0.1
   */
  properties[PROP_KIND] =
    g_param_spec_enum ("kind", NULL, NULL, PYISOLATE_TYPE_EXIT_KIND, PYISOLATE_EXIT_KIND_EXITED,
                       flags);
  /**
   * PyIsolateExitReason:status:
   *
   * The exit code, or the number of the signal.
   *
   * Since: 0.1
   */
  properties[PROP_STATUS] = g_param_spec_int ("status", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * PyIsolateExitReason:core-dumped:
   *
   * Whether the kernel wrote a core dump.
   *
   * Since: 0.1
   */
  properties[PROP_CORE_DUMPED] = g_param_spec_boolean ("core-dumped", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExitReason:expected:
   *
   * Whether the process ended because it was stopped or killed through this library.
   *
   * Since: 0.1
   */
  properties[PROP_EXPECTED] = g_param_spec_boolean ("expected", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExitReason:message:
   *
   * The same in words that complete a sentence, such as "exited with code 3".
   *
   * Since: 0.1
   */
  properties[PROP_MESSAGE] = g_param_spec_string ("message", NULL, NULL, NULL, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_exit_reason_init (PyIsolateExitReason *self)
{
}

/* Those that a process brings upon itself; the others are sent to it. */
static gboolean
is_crash (int number)
{
  switch (number)
    {
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGSEGV:
    case SIGSYS:
    case SIGTRAP:
      return TRUE;

    default:
      return FALSE;
    }
}

static char *
make_message (PyIsolateExitKind kind,
              int               status)
{
  switch (kind)
    {
    case PYISOLATE_EXIT_KIND_EXITED:
      return g_strdup_printf ("exited with code %d", status);

    case PYISOLATE_EXIT_KIND_SIGNALED:
      return g_strdup_printf ("%s signal %d (%s)",
                              is_crash (status) ? "crashed with" : "was killed by",
                              status, g_strsignal (status));

    case PYISOLATE_EXIT_KIND_OUT_OF_MEMORY:
      return g_strdup ("was killed by the kernel because memory ran out");

    case PYISOLATE_EXIT_KIND_LINK_CLOSED:
      return g_strdup ("closed its connection");

    default:
      g_assert_not_reached ();
    }
}

PyIsolateExitReason *
_pyisolate_exit_reason_new (PyIsolateExitKind  kind,
                            int                status,
                            gboolean           core_dumped,
                            gboolean           expected,
                            const char        *message)
{
  PyIsolateExitReason *self = g_object_new (PYISOLATE_TYPE_EXIT_REASON, NULL);

  self->kind = kind;
  self->status = MAX (status, 0);
  self->core_dumped = core_dumped;
  self->expected = expected;
  self->message = message != NULL ? g_strdup (message) : make_message (kind, status);
  return self;
}

/**
 * pyisolate_exit_reason_get_kind:
 * @self: an exit reason
 *
 * Gets what ended the process.
 *
 * Returns: the kind
 * Since: 0.1
 */
PyIsolateExitKind
pyisolate_exit_reason_get_kind (PyIsolateExitReason *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXIT_REASON (self), PYISOLATE_EXIT_KIND_EXITED);

  return self->kind;
}

/**
 * pyisolate_exit_reason_get_status:
 * @self: an exit reason
 *
 * Gets the exit code or the number of the signal; the kind says which.
 *
 * Returns: the exit code or the signal
 * Since: 0.1
 */
int
pyisolate_exit_reason_get_status (PyIsolateExitReason *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXIT_REASON (self), 0);

  return self->status;
}

/**
 * pyisolate_exit_reason_get_core_dumped:
 * @self: an exit reason
 *
 * Gets whether the kernel wrote a core dump.
 *
 * Returns: whether there is a core dump
 * Since: 0.1
 */
gboolean
pyisolate_exit_reason_get_core_dumped (PyIsolateExitReason *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXIT_REASON (self), FALSE);

  return self->core_dumped;
}

/**
 * pyisolate_exit_reason_get_expected:
 * @self: an exit reason
 *
 * Gets whether the process ended because it was stopped or killed through this library.
 *
 * Returns: whether the end was asked for
 * Since: 0.1
 */
gboolean
pyisolate_exit_reason_get_expected (PyIsolateExitReason *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXIT_REASON (self), FALSE);

  return self->expected;
}

/**
 * pyisolate_exit_reason_get_message:
 * @self: an exit reason
 *
 * Gets the reason in words that complete a sentence about the process, such as "exited with code
 * 3", "was killed by signal 9 (Killed)" or "crashed with signal 11 (Segmentation fault)".
 *
 * Returns: (transfer none): the reason in words
 * Since: 0.1
 */
const char *
pyisolate_exit_reason_get_message (PyIsolateExitReason *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXIT_REASON (self), NULL);

  return self->message;
}
