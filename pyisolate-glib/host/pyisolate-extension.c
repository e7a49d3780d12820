/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-extension-struct-private.h"

#include "pyisolate-error.h"

/**
 * PyIsolateExtension:
 *
 * An extension: Python code that runs in a process and an environment of its own, and whose methods
 * can be called.
 *
 * [method@PyIsolate.ExtensionManager.load_extension_async] makes one. Its methods may be called
 * from any thread; its signals are emitted in the main context of its manager.
 *
 * An extension that has stopped or failed does not start again: load it once more, which gives a
 * new object. One that was made without a manager has failed from the beginning, and has no configuration.
 *
 * Since: 0.1
 */

enum {
  LOG,
  EVENT,
  PROGRESS,
  EXITED,
  N_SIGNALS
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (PyIsolateExtension, pyisolate_extension, G_TYPE_OBJECT)

/* In the home context: emits the signal, or notify. */
static void
tell_news (PyIsolateExtension  *self,
           const PyIsolateNews *news)
{
  switch (news->kind)
    {
    case PYISOLATE_NEWS_LOG:
      g_debug ("%s: %s: %s", pyisolate_extension_get_name (self), news->name, news->text);
      g_signal_emit (self, signals[LOG], 0, news->level, news->name, news->text);
      break;

    case PYISOLATE_NEWS_EVENT:
      g_signal_emit (self, signals[EVENT], 0, news->name, news->value);
      break;

    case PYISOLATE_NEWS_PROGRESS:
      g_signal_emit (self, signals[PROGRESS], 0, news->call, news->fraction, news->text);
      break;

    case PYISOLATE_NEWS_EXITED:
      g_signal_emit (self, signals[EXITED], 0, news->reason);
      break;

    case PYISOLATE_NEWS_NOTIFY:
      /* Whoever hears that it runs wants to know its methods. */
      _pyisolate_extension_publish_methods (self);
      g_object_notify_by_pspec (G_OBJECT (self), news->property);
      break;

    default:
      g_assert_not_reached ();
    }
}

void
_pyisolate_extension_post_notify (PyIsolateExtension *self,
                                  guint               prop_id)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_NOTIFY);

  news->property = properties[prop_id];
  _pyisolate_outbox_post (self->outbox, self, news);
}

static void
pyisolate_extension_get_property (GObject    *object,
                                  guint       prop_id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  PyIsolateExtension *self = PYISOLATE_EXTENSION (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, pyisolate_extension_get_name (self));
      break;

    case PROP_CONFIG:
      g_value_set_object (value, self->config_copy);
      break;

    case PROP_STATE:
      g_value_set_enum (value, pyisolate_extension_get_state (self));
      break;

    case PROP_PID:
      g_value_set_int (value, pyisolate_extension_get_pid (self));
      break;

    case PROP_METHODS:
      g_value_set_object (value, self->methods);
      break;

    case PROP_MEMORY_USAGE:
      g_value_set_uint64 (value, pyisolate_extension_get_memory_usage (self));
      break;

    case PROP_STATE_DIRECTORY:
      g_value_set_string (value, self->state_directory);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_extension_dispose (GObject *object)
{
  PyIsolateExtension *self = PYISOLATE_EXTENSION (object);

  /* Nobody can call it any more, so nobody needs its process. Without a configuration no manager has made it. */
  if (self->config != NULL)
    {
      _pyisolate_extension_end (self,
                                g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED,
                                             "The extension “%s” was dropped",
                                             pyisolate_extension_get_name (self)));
      g_hash_table_remove_all (self->singletons);
    }
  g_mutex_lock (&self->mutex);
  g_clear_object (&self->worker);
  g_clear_object (&self->endpoint);
  g_mutex_unlock (&self->mutex);

  G_OBJECT_CLASS (pyisolate_extension_parent_class)->dispose (object);
}

static void
pyisolate_extension_finalize (GObject *object)
{
  PyIsolateExtension *self = PYISOLATE_EXTENSION (object);

  g_assert (g_queue_is_empty (&self->stop_waiters));

  g_clear_object (&self->config);
  g_clear_object (&self->config_copy);
  g_clear_object (&self->load_cancellable);
  g_clear_object (&self->methods);
  g_clear_pointer (&self->state_directory, g_free);
  g_clear_pointer (&self->singletons, g_hash_table_unref);
  g_clear_pointer (&self->outbox, _pyisolate_outbox_free);
  g_clear_pointer (&self->log_tail, _pyisolate_log_tail_free);
  g_clear_pointer (&self->method_infos, g_ptr_array_unref);
  g_clear_object (&self->untold_exit);
  g_clear_error (&self->last_error);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (pyisolate_extension_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * PyIsolateExtension:name:
   *
   * The extension's name.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtension:config:
   *
   * What the extension was loaded with: a copy, whose changes have no effect.
   *
   * Since: 0.1
   */
  properties[PROP_CONFIG] = g_param_spec_object ("config", NULL, NULL,
                                                 PYISOLATE_TYPE_EXTENSION_CONFIG, flags);
  /**
   * PyIsolateExtension:state:
   *
   * Where it is in its life.
   *
   * Since: 0.1
   */
  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, NULL, PYISOLATE_TYPE_EXTENSION_STATE,
                                              PYISOLATE_EXTENSION_STATE_NEW, flags);
  /**
   * PyIsolateExtension:pid:
   *
   * The id of its process, 0 if it has none.
   *
   * Since: 0.1
   */
  properties[PROP_PID] = g_param_spec_int ("pid", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * PyIsolateExtension:methods:
   *
   * Its methods, a list of [class@PyIsolate.MethodInfo]; empty until it runs.
   *
   * Since: 0.1
   */
  properties[PROP_METHODS] = g_param_spec_object ("methods", NULL, NULL, G_TYPE_LIST_MODEL, flags);
  /**
   * PyIsolateExtension:memory-usage:
   *
   * The memory of its process in bytes, as a proportional set size; 0 if it has none. Read anew
   * each time, never notified.
   *
   * Since: 0.1
   */
  properties[PROP_MEMORY_USAGE] = g_param_spec_uint64 ("memory-usage", NULL, NULL, 0, G_MAXUINT64,
                                                       0, flags);
  /**
   * PyIsolateExtension:state-directory:
   *
   * The directory that is the extension's own from one start to the next: its home directory.
   *
   * Since: 0.1
   */
  properties[PROP_STATE_DIRECTORY] = g_param_spec_string ("state-directory", NULL, NULL, NULL,
                                                          flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_extension_class_init (PyIsolateExtensionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = pyisolate_extension_get_property;
  object_class->dispose = pyisolate_extension_dispose;
  object_class->finalize = pyisolate_extension_finalize;
  install_properties (object_class);

  /**
   * PyIsolateExtension::log:
   * @self: the extension
   * @level: how grave it is
   * @logger: the name of the Python logger, or `stdout` or `stderr` for what was printed
   * @message: the message, of a printed text one line
   *
   * Emitted for each line that the extension logs or prints.
   *
   * Since: 0.1
   */
  signals[LOG] = g_signal_new ("log", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                               NULL, G_TYPE_NONE, 3, PYISOLATE_TYPE_LOG_LEVEL, G_TYPE_STRING,
                               G_TYPE_STRING);
  /**
   * PyIsolateExtension::event:
   * @self: the extension
   * @name: the event's name
   * @value: its value
   *
   * Emitted for each event of the extension, those inside of calls included.
   *
   * Since: 0.1
   */
  signals[EVENT] = g_signal_new ("event", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                 NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_VARIANT);
  /**
   * PyIsolateExtension::progress:
   * @self: the extension
   * @call: the call that goes on
   * @fraction: how much of it is done, from 0 to 1
   * @text: what is being done; may be empty
   *
   * Emitted when a method reports progress. It comes by way of the context in which the call was made,
   * so it may be later than the call's result; [signal@PyIsolate.Call::progress] never is.
   *
   * Since: 0.1
   */
  signals[PROGRESS] = g_signal_new ("progress", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                    NULL, NULL, NULL,
                                    G_TYPE_NONE, 3, PYISOLATE_TYPE_CALL, G_TYPE_DOUBLE,
                                    G_TYPE_STRING);
  /**
   * PyIsolateExtension::exited:
   * @self: the extension
   * @reason: how
   *
   * Emitted when the extension's process has ended, and all that it had started. That of one which
   * could not be imported is not told if its environment is mended and another process follows.
   *
   * Since: 0.1
   */
  signals[EXITED] = g_signal_new ("exited", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, PYISOLATE_TYPE_EXIT_REASON);
}

static void
pyisolate_extension_init (PyIsolateExtension *self)
{
  g_mutex_init (&self->mutex);
  g_queue_init (&self->stop_waiters);
  self->methods = g_list_store_new (PYISOLATE_TYPE_METHOD_INFO);
  self->load_cancellable = g_cancellable_new ();
  self->log_tail = _pyisolate_log_tail_new (0, 0);
  /* As a binding may make it. */
  self->state = PYISOLATE_EXTENSION_STATE_FAILED;
  self->last_error = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                                          "This extension does not run, because no manager has loaded it: "
                                          "pyisolate_extension_manager_load_extension_async() gives one that does");
}

PyIsolateExtension *
_pyisolate_extension_new (PyIsolateExtensionConfig *config,
                          const char               *state_directory,
                          GHashTable               *singletons,
                          PyIsolateMailbox         *home)
{
  PyIsolateExtension *self = g_object_new (PYISOLATE_TYPE_EXTENSION, NULL);

  self->state = PYISOLATE_EXTENSION_STATE_NEW;
  g_clear_error (&self->last_error);
  self->config = config;
  self->config_copy = pyisolate_extension_config_copy (config);
  self->state_directory = g_strdup (state_directory);
  self->singletons = singletons;
  self->outbox = _pyisolate_outbox_new (home, tell_news);

  return self;
}

/* Whoever asks has a reference of some kind, so the shared one is there before that can go. */
PyIsolateExtension *
_pyisolate_extension_hold (PyIsolateExtension *self)
{
  if (g_atomic_int_add (&self->n_held, 1) == 0)
    g_object_ref (self);

  return self;
}

PyIsolateExtension *
_pyisolate_extension_hold_weak (GWeakRef *ref)
{
  PyIsolateExtension *self = g_weak_ref_get (ref);

  if (self == NULL)
    return NULL;

  _pyisolate_extension_hold (self);
  g_object_unref (self); /* not the last one now */

  return self;
}

void
_pyisolate_extension_release (gpointer extension_to_take)
{
  PyIsolateExtension *self = extension_to_take;

  if (!g_atomic_int_dec_and_test (&self->n_held))
    return;

  if (self->outbox != NULL)
    _pyisolate_outbox_release (self->outbox, self);
  else
    g_object_unref (self); /* no manager's, so it has no home */
}

void
_pyisolate_extension_release_here (PyIsolateExtension *self)
{
  if (g_atomic_int_dec_and_test (&self->n_held))
    g_object_unref (self);
}

gint64
_pyisolate_extension_get_call_timeout (PyIsolateExtension *self,
                                       gint64              asked_for)
{
  if (asked_for != PYISOLATE_TIMEOUT_DEFAULT)
    return asked_for;

  return pyisolate_extension_config_get_call_timeout (self->config);
}
