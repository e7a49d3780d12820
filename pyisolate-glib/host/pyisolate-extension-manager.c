/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-extension-manager-private.h"

#include "pyisolate-extension-private.h"

#include <errno.h>

/**
 * PyIsolateExtensionManager:
 *
 * Loads extensions, and is the list of them.
 *
 * It is a [iface@Gio.ListModel] of [class@PyIsolate.Extension]: a row is there from the moment at
 * which an extension begins to be loaded, and stays when it has stopped or failed, until
 * [method@PyIsolate.ExtensionManager.remove_extension] or until an extension of the same name is
 * loaded, which takes the row.
 *
 * A manager belongs to the thread-default main context in which it was created: call its functions
 * there; its signals, and those of its extensions, are emitted there. Dropping it ends the
 * processes of its extensions.
 *
 * Since: 0.1
 */

enum {
  EXTENSION_ADDED,
  EXTENSION_REMOVED,
  LOAD_PROGRESS,
  N_SIGNALS
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE_WITH_CODE (PyIsolateExtensionManager, pyisolate_extension_manager,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL,
                                                      _pyisolate_extension_manager_init_list_model))

static void
pyisolate_extension_manager_get_property (GObject    *object,
                                          guint       prop_id,
                                          GValue     *value,
                                          GParamSpec *pspec)
{
  PyIsolateExtensionManager *self = PYISOLATE_EXTENSION_MANAGER (object);

  switch (prop_id)
    {
    case PROP_VENV_ROOT:
      g_value_set_string (value, self->venv_root);
      break;

    case PROP_APPLICATION_ID:
      g_value_set_string (value, self->application_id);
      break;

    case PROP_PYTHON:
      g_value_set_string (value, self->python);
      break;

    case PROP_UV_PATH:
      g_value_set_string (value, self->uv_path);
      break;

    case PROP_TORCH_ENVIRONMENT:
      g_value_set_string (value, self->torch_environment);
      break;

    case PROP_MAX_PARALLEL_INSTALLS:
      g_value_set_uint (value, self->max_parallel_installs);
      break;

    case PROP_MAX_PARALLEL_STARTS:
      g_value_set_uint (value, self->max_parallel_starts);
      break;

    case PROP_PROGRESS:
      g_value_set_double (value, self->progress);
      break;

    case PROP_N_ITEMS:
      g_value_set_uint (value, self->extensions->len);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_extension_manager_set_property (GObject      *object,
                                          guint         prop_id,
                                          const GValue *value,
                                          GParamSpec   *pspec)
{
  PyIsolateExtensionManager *self = PYISOLATE_EXTENSION_MANAGER (object);

  switch (prop_id)
    {
    case PROP_VENV_ROOT:
      self->venv_root = g_value_dup_string (value);
      break;

    case PROP_APPLICATION_ID:
      self->application_id = g_value_dup_string (value);
      break;

    case PROP_PYTHON:
      pyisolate_extension_manager_set_python (self, g_value_get_string (value));
      break;

    case PROP_UV_PATH:
      pyisolate_extension_manager_set_uv_path (self, g_value_get_string (value));
      break;

    case PROP_TORCH_ENVIRONMENT:
      pyisolate_extension_manager_set_torch_environment (self, g_value_get_string (value));
      break;

    case PROP_MAX_PARALLEL_INSTALLS:
      pyisolate_extension_manager_set_max_parallel_installs (self, g_value_get_uint (value));
      break;

    case PROP_MAX_PARALLEL_STARTS:
      pyisolate_extension_manager_set_max_parallel_starts (self, g_value_get_uint (value));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static char *
choose_application_id (void)
{
  GApplication *application = g_application_get_default ();

  if (application != NULL && g_application_get_application_id (application) != NULL)
    return g_strdup (g_application_get_application_id (application));
  if (g_get_prgname () != NULL && *g_get_prgname () != '\0')
    return g_strdup (g_get_prgname ());

  /* GLib knows a program's name only from who has told it. */
  return g_strdup (program_invocation_short_name);
}

static void
pyisolate_extension_manager_constructed (GObject *object)
{
  PyIsolateExtensionManager *self = PYISOLATE_EXTENSION_MANAGER (object);
  char *venv_root;

  G_OBJECT_CLASS (pyisolate_extension_manager_parent_class)->constructed (object);

  if (self->venv_root == NULL)
    self->venv_root = g_build_filename (g_get_user_cache_dir (), "pyisolate-glib", NULL);
  venv_root = g_canonicalize_filename (self->venv_root, NULL);
  g_free (self->venv_root);
  self->venv_root = venv_root;

  if (self->application_id == NULL || *self->application_id == '\0')
    {
      g_free (self->application_id);
      self->application_id = choose_application_id ();
    }
}

/* Nothing that goes on needs the manager: the loads are told to end, and hold what they need. */
static void
abandon (PyIsolateExtension *extension)
{
  g_cancellable_cancel (_pyisolate_extension_get_load_cancellable (extension));
  _pyisolate_extension_end_now (extension);
}

static void
pyisolate_extension_manager_dispose (GObject *object)
{
  PyIsolateExtensionManager *self = PYISOLATE_EXTENSION_MANAGER (object);
  g_autoptr (GPtrArray) rows = g_steal_pointer (&self->extensions); /* whoever sees one go must not find it here */

  self->extensions = g_ptr_array_new_with_free_func (g_object_unref);
  g_hash_table_remove_all (self->names);
  for (guint i = 0; i < rows->len; i++)
    abandon (g_ptr_array_index (rows, i));
  g_hash_table_remove_all (self->singletons);
  g_hash_table_remove_all (self->fractions);

  G_OBJECT_CLASS (pyisolate_extension_manager_parent_class)->dispose (object);
}

static void
pyisolate_extension_manager_finalize (GObject *object)
{
  PyIsolateExtensionManager *self = PYISOLATE_EXTENSION_MANAGER (object);

  g_clear_pointer (&self->venv_root, g_free);
  g_clear_pointer (&self->application_id, g_free);
  g_clear_pointer (&self->python, g_free);
  g_clear_pointer (&self->uv_path, g_free);
  g_clear_pointer (&self->torch_environment, g_free);
  g_clear_pointer (&self->loader, _pyisolate_loader_unref);
  g_clear_pointer (&self->home, _pyisolate_mailbox_unref);
  g_clear_pointer (&self->extensions, g_ptr_array_unref);
  g_clear_pointer (&self->names, g_hash_table_unref);
  g_clear_pointer (&self->singletons, g_hash_table_unref);
  g_clear_pointer (&self->fractions, g_hash_table_unref);

  G_OBJECT_CLASS (pyisolate_extension_manager_parent_class)->finalize (object);
}

/* What stays as it was made. */
static void
describe_identity (void)
{
  const GParamFlags construct = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  /**
   * PyIsolateExtensionManager:venv-root:
   *
   * The directory in which environments are made; several managers and applications can share one.
   * By default `pyisolate-glib` in the user's cache directory.
   *
   * Since: 0.1
   */
  properties[PROP_VENV_ROOT] = g_param_spec_string ("venv-root", NULL, NULL, NULL, construct);
  /**
   * PyIsolateExtensionManager:application-id:
   *
   * Under which name the extensions keep their state directories. By default, or if it is empty, the
   * id of the default [class@Gio.Application], else the name of the program: as [func@GLib.set_prgname]
   * was told, else as it was started. A script's is that of its interpreter, so set one there.
   *
   * Since: 0.1
   */
  properties[PROP_APPLICATION_ID] = g_param_spec_string ("application-id", NULL, NULL, NULL,
                                                         construct);
}

/* What extensions that are loaded later go by. */
static void
describe_settings (void)
{
  const GParamFlags read_write = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * PyIsolateExtensionManager:python:
   *
   * The interpreter for extensions that name none; %NULL for the `python3` on the search path.
   *
   * Since: 0.1
   */
  properties[PROP_PYTHON] = g_param_spec_string ("python", NULL, NULL, NULL, read_write);
  /**
   * PyIsolateExtensionManager:uv-path:
   *
   * The program `uv`, by its absolute path; %NULL to look for it.
   *
   * Since: 0.1
   */
  properties[PROP_UV_PATH] = g_param_spec_string ("uv-path", NULL, NULL, NULL, read_write);
  /**
   * PyIsolateExtensionManager:torch-environment:
   *
   * Whose torch the extensions use that share one, see
   * [property@PyIsolate.ExtensionConfig:share-torch]: the absolute path of a virtual environment or
   * another prefix, or of the very directory that torch is installed in.
   *
   * torch must have been installed from a wheel, for the minor version of Python that the
   * extensions run on. The environment is only read. Its torch can be replaced at any time;
   * extensions that are loaded later get an environment for the new one.
   *
   * Since: 0.1
   */
  properties[PROP_TORCH_ENVIRONMENT] = g_param_spec_string ("torch-environment", NULL, NULL, NULL,
                                                            read_write);
  /**
   * PyIsolateExtensionManager:max-parallel-installs:
   *
   * How many environments may be made at the same time.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_PARALLEL_INSTALLS] =
    g_param_spec_uint ("max-parallel-installs", NULL, NULL, 1, 64, 2,
                       read_write | G_PARAM_CONSTRUCT);
  /**
   * PyIsolateExtensionManager:max-parallel-starts:
   *
   * How many extensions may start at the same time.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_PARALLEL_STARTS] =
    g_param_spec_uint ("max-parallel-starts", NULL, NULL, 1, 64, 4, read_write | G_PARAM_CONSTRUCT);
}

static void
describe_contents (void)
{
  const GParamFlags read = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * PyIsolateExtensionManager:progress:
   *
   * How much of what is being loaded is done, from 0 to 1; 1 if nothing is being loaded.
   *
   * Since: 0.1
   */
  properties[PROP_PROGRESS] = g_param_spec_double ("progress", NULL, NULL, 0, 1, 1, read);
  /**
   * PyIsolateExtensionManager:n-items:
   *
   * How many rows there are.
   *
   * Since: 0.1
   */
  properties[PROP_N_ITEMS] = g_param_spec_uint ("n-items", NULL, NULL, 0, G_MAXUINT, 0, read);
}

static void
pyisolate_extension_manager_class_init (PyIsolateExtensionManagerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = pyisolate_extension_manager_get_property;
  object_class->set_property = pyisolate_extension_manager_set_property;
  object_class->constructed = pyisolate_extension_manager_constructed;
  object_class->dispose = pyisolate_extension_manager_dispose;
  object_class->finalize = pyisolate_extension_manager_finalize;

  describe_identity ();
  describe_settings ();
  describe_contents ();
  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * PyIsolateExtensionManager::extension-added:
   * @self: the manager
   * @extension: the new extension, which begins to be loaded
   *
   * Emitted when an extension was added to the list, after `items-changed`.
   *
   * Since: 0.1
   */
  signals[EXTENSION_ADDED] = g_signal_new ("extension-added", G_TYPE_FROM_CLASS (klass),
                                           G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                           NULL, G_TYPE_NONE, 1, PYISOLATE_TYPE_EXTENSION);
  /**
   * PyIsolateExtensionManager::extension-removed:
   * @self: the manager
   * @extension: the extension
   *
   * Emitted when an extension was removed from the list, after `items-changed`.
   *
   * Since: 0.1
   */
  signals[EXTENSION_REMOVED] = g_signal_new ("extension-removed", G_TYPE_FROM_CLASS (klass),
                                             G_SIGNAL_RUN_LAST, 0, NULL,
                                             NULL, NULL, G_TYPE_NONE, 1, PYISOLATE_TYPE_EXTENSION);
  /**
   * PyIsolateExtensionManager::load-progress:
   * @self: the manager
   * @extension: the extension that is being loaded
   * @stage: what is going on
   * @fraction: how much of its loading is done, from 0 to 1
   * @text: a line for people; may be empty
   *
   * Emitted while an extension is being loaded: once at least for each stage that it comes to, but
   * not for each step within one. One whose environment is there already begins with
   * %PYISOLATE_LOAD_STAGE_STARTING.
   *
   * Since: 0.1
   */
  signals[LOAD_PROGRESS] = g_signal_new ("load-progress", G_TYPE_FROM_CLASS (klass),
                                         G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 4, PYISOLATE_TYPE_EXTENSION,
                                         PYISOLATE_TYPE_LOAD_STAGE, G_TYPE_DOUBLE, G_TYPE_STRING);
}

static void
pyisolate_extension_manager_init (PyIsolateExtensionManager *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->home = _pyisolate_mailbox_ref_for_context (context);
  self->loader = _pyisolate_loader_new (self->home);
  self->extensions = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_hash_table_new (g_str_hash, g_str_equal);
  self->singletons = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  self->fractions = g_hash_table_new_full (NULL, NULL, g_object_unref, g_free);
  self->progress = 1;
}

/**
 * pyisolate_extension_manager_new:
 * @venv_root: (type filename) (nullable): the directory in which environments are made, %NULL for
 *   `pyisolate-glib` in the user's cache directory
 *
 * Creates a manager, which belongs to the thread-default main context.
 *
 * Returns: (transfer full): a new manager
 *
 * Since: 0.1
 */
PyIsolateExtensionManager *
pyisolate_extension_manager_new (const char *venv_root)
{
  return g_object_new (PYISOLATE_TYPE_EXTENSION_MANAGER, "venv-root", venv_root, NULL);
}

void
_pyisolate_extension_manager_notify (PyIsolateExtensionManager *self,
                                     guint                      prop_id)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
}

void
_pyisolate_extension_manager_update_progress (PyIsolateExtensionManager *self)
{
  GHashTableIter iter;
  gpointer fraction;
  double sum = 0;
  double progress = 1;

  g_hash_table_iter_init (&iter, self->fractions);
  while (g_hash_table_iter_next (&iter, NULL, &fraction))
    sum += *(double *) fraction;
  if (g_hash_table_size (self->fractions) > 0)
    progress = CLAMP (sum / g_hash_table_size (self->fractions), 0, 1);

  if (progress != self->progress)
    {
      self->progress = progress;
      _pyisolate_extension_manager_notify (self, PROP_PROGRESS);
    }
}

void
_pyisolate_extension_manager_set_fraction (PyIsolateExtensionManager *self,
                                           PyIsolateExtension        *extension,
                                           double                     fraction)
{
  if (fraction < 0)
    g_hash_table_remove (self->fractions, extension);
  else
    g_hash_table_replace (self->fractions, g_object_ref (extension),
                          g_memdup2 (&fraction, sizeof fraction));
  _pyisolate_extension_manager_update_progress (self);
}

void
_pyisolate_extension_manager_emit_progress (PyIsolateExtensionManager *self,
                                            PyIsolateExtension        *extension,
                                            PyIsolateLoadStage         stage,
                                            double                     fraction,
                                            const char                *text)
{
  g_signal_emit (self, signals[LOAD_PROGRESS], 0, extension, stage, fraction, text);
}

void
_pyisolate_extension_manager_announce_row (PyIsolateExtensionManager *self,
                                           guint                      position,
                                           PyIsolateExtension        *removed,
                                           PyIsolateExtension        *added)
{
  g_list_model_items_changed (G_LIST_MODEL (self), position, removed != NULL ? 1 : 0, added != NULL
                              ? 1 : 0);
  if (removed == NULL || added == NULL)
    _pyisolate_extension_manager_notify (self, PROP_N_ITEMS);
  if (removed != NULL)
    g_signal_emit (self, signals[EXTENSION_REMOVED], 0, removed);
  if (added != NULL)
    g_signal_emit (self, signals[EXTENSION_ADDED], 0, added);
}
