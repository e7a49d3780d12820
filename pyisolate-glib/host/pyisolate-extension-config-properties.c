/* SPDX-License-Identifier: MIT */
/* The properties of a configuration. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

static const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

/* What it is, and whom it may call. */
static void
describe_identity (GParamSpec **properties)
{
  /**
   * PyIsolateExtensionConfig:name:
   *
   * The extension's name.
   *
   * Unique among the extensions of a manager. Any text but the empty one, `.`, `..` and text with a
   * `/` or a control character.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:module-path:
   *
   * The extension's code: a directory with an `__init__.py`, or a single `.py` file.
   *
   * Resolved through symbolic links when the extension is loaded.
   *
   * Since: 0.1
   */
  properties[PROP_MODULE_PATH] = g_param_spec_string ("module-path", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:isolated:
   *
   * Whether the extension runs in a process of its own.
   *
   * A host that is not Python itself has no other way: there %FALSE is an error of loading.
   *
   * Since: 0.1
   */
  properties[PROP_ISOLATED] = g_param_spec_boolean ("isolated", NULL, NULL, TRUE, flags);
  /**
   * PyIsolateExtensionConfig:dependencies:
   *
   * The packages that the extension needs, as PEP 508 requirements.
   *
   * Since: 0.1
   */
  properties[PROP_DEPENDENCIES] = g_param_spec_boxed ("dependencies", NULL, NULL, G_TYPE_STRV,
                                                      flags);
  /**
   * PyIsolateExtensionConfig:apis:
   *
   * The names of the singletons that the extension may reach.
   *
   * They are the names given to [method@PyIsolate.ExtensionManager.add_singleton]; an extension
   * reaches no other.
   *
   * Since: 0.1
   */
  properties[PROP_APIS] = g_param_spec_boxed ("apis", NULL, NULL, G_TYPE_STRV, flags);
}

/* Which Python runs it, and what that sees of the application. */
static void
describe_environment (GParamSpec **properties)
{
  /**
   * PyIsolateExtensionConfig:python:
   *
   * The interpreter that the extension's environment is made with.
   *
   * An absolute path, a command, a version such as `3.11` or a PEP 440 specifier such as `>=3.10`.
   * %NULL: the manager's [property@PyIsolate.ExtensionManager:python].
   *
   * Of a configuration that was read from an extension's own metadata it is what these say. Another
   * one can be set, but to load the extension with a Python that its `requires-python` excludes is
   * %PYISOLATE_ERROR_PYTHON_NOT_FOUND.
   *
   * Since: 0.1
   */
  properties[PROP_PYTHON] = g_param_spec_string ("python", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:environment:
   *
   * A virtual environment of the user's own, by its absolute path.
   *
   * It is used as it is and never modified. Together with
   * [property@PyIsolate.ExtensionConfig:dependencies] it is an error.
   *
   * Since: 0.1
   */
  properties[PROP_ENVIRONMENT] = g_param_spec_string ("environment", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:source-paths:
   *
   * Directories of the application whose modules the extension may import.
   *
   * Since: 0.1
   */
  properties[PROP_SOURCE_PATHS] = g_param_spec_boxed ("source-paths", NULL, NULL, G_TYPE_STRV,
                                                      flags);
}

/* Where its packages come from. */
static void
describe_packages (GParamSpec **properties)
{
  /**
   * PyIsolateExtensionConfig:find-links:
   *
   * Directories or URLs with packages, beside the indexes.
   *
   * Since: 0.1
   */
  properties[PROP_FIND_LINKS] = g_param_spec_boxed ("find-links", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:index-url:
   *
   * The package index to use instead of the default one.
   *
   * It may hold credentials; they appear in no log, message or file of this library.
   *
   * Since: 0.1
   */
  properties[PROP_INDEX_URL] = g_param_spec_string ("index-url", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:extra-index-urls:
   *
   * Package indexes to use beside the default one.
   *
   * Since: 0.1
   */
  properties[PROP_EXTRA_INDEX_URLS] = g_param_spec_boxed ("extra-index-urls", NULL, NULL,
                                                          G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:lock-file:
   *
   * A file with the exact requirements to install, as `uv pip compile` writes it.
   *
   * Since: 0.1
   */
  properties[PROP_LOCK_FILE] = g_param_spec_string ("lock-file", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:allow-source-builds:
   *
   * Whether packages may be built from source.
   *
   * Building a package runs its code, outside of any sandbox.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOW_SOURCE_BUILDS] = g_param_spec_boolean ("allow-source-builds", NULL, NULL,
                                                               FALSE, flags);
  /**
   * PyIsolateExtensionConfig:auto-update:
   *
   * Whether a local requirement that has changed leads to a new environment when the extension is
   * loaded.
   *
   * Otherwise the change is only reported.
   *
   * Since: 0.1
   */
  properties[PROP_AUTO_UPDATE] = g_param_spec_boolean ("auto-update", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExtensionConfig:share-torch:
   *
   * Whether the extension uses the very torch of
   * [property@PyIsolate.ExtensionManager:torch-environment]: the same version and build, without a
   * second copy on the disk.
   *
   * Its dependencies may ask for a torch; they are resolved with that one, which has to do. All
   * that it needs besides torch and the packages that torch requires is its own.
   *
   * Since: 0.1
   */
  properties[PROP_SHARE_TORCH] = g_param_spec_boolean ("share-torch", NULL, NULL, FALSE, flags);
}

/* The process that it runs in. */
static void
describe_process (GParamSpec **properties)
{
  /**
   * PyIsolateExtensionConfig:environment-variables:
   *
   * What the worker's environment holds besides the few variables that it gets anyway, as
   * `KEY=value`.
   *
   * Since: 0.1
   */
  properties[PROP_ENVIRONMENT_VARIABLES] = g_param_spec_boxed ("environment-variables", NULL, NULL,
                                                               G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:call-timeout:
   *
   * The deadline of calls that name none, in milliseconds; -1 for none.
   *
   * Since: 0.1
   */
  properties[PROP_CALL_TIMEOUT] = g_param_spec_int64 ("call-timeout", NULL, NULL, -1, G_MAXINT64,
                                                      -1, flags);
  /**
   * PyIsolateExtensionConfig:start-timeout:
   *
   * How long the extension may take from the start of its process until it is ready, in
   * milliseconds; -1 for ever.
   *
   * Making its environment does not count.
   *
   * Since: 0.1
   */
  properties[PROP_START_TIMEOUT] = g_param_spec_int64 ("start-timeout", NULL, NULL, -1, G_MAXINT64,
                                                       60000, flags);
  /**
   * PyIsolateExtensionConfig:stop-timeout:
   *
   * How long the extension may take to stop before it is killed, in milliseconds; -1 for as long as
   * it likes.
   *
   * Since: 0.1
   */
  properties[PROP_STOP_TIMEOUT] = g_param_spec_int64 ("stop-timeout", NULL, NULL, -1, G_MAXINT64,
                                                      5000, flags);
  /**
   * PyIsolateExtensionConfig:kill-on-timeout:
   *
   * Whether a call that passes its deadline ends the whole process.
   *
   * Otherwise only the call is cancelled.
   *
   * Since: 0.1
   */
  properties[PROP_KILL_ON_TIMEOUT] = g_param_spec_boolean ("kill-on-timeout", NULL, NULL, FALSE,
                                                           flags);
  /**
   * PyIsolateExtensionConfig:shared-memory-limit:
   *
   * How many bytes of memory the library may hold for what this extension sends and is sent:
   * tensors, and large bytes; 0 for half of the machine's memory.
   *
   * Past it a call that needs more ends with %PYISOLATE_ERROR_LIMIT. What an application allocates
   * itself ([ctor@PyIsolate.Memory.new]) does not count.
   *
   * Since: 0.1
   */
  properties[PROP_SHARED_MEMORY_LIMIT] =
    g_param_spec_uint64 ("shared-memory-limit", NULL, NULL, 0, G_MAXUINT64, 0, flags);
}

void
_pyisolate_extension_config_describe (GParamSpec **properties)
{
  describe_identity (properties);
  describe_environment (properties);
  describe_packages (properties);
  describe_process (properties);
}
