/* SPDX-License-Identifier: MIT */
/* Where uv is, and the environment variables that it runs with.
 *
 * The user's own configuration of uv (mirrors, certificates, proxies, credentials) counts: its
 * files and its variables stay. What we add, index URLs above all, goes into variables and never
 * into arguments, which everybody on the machine can read.
 */
#include "config.h"

#include "pyisolate-env-uv-private.h"

#include "pyisolate-env-redact-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* These would take uv away from the interpreter and directory that we name, or run the
 * environment's own Python. */
static const char *const unwanted[] = {
  "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT",
  "UV_WORKING_DIR",
  "UV_WORKING_DIRECTORY", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_TARGET",
  "UV_PREFIX",
  "UV_COMPILE_BYTECODE", "UV_VENV_CLEAR", "UV_VENV_SEED", "UV_OUTPUT_FILE", "UV_LOG_CONTEXT",
  "RUST_LOG", "RUST_BACKTRACE",
  "FORCE_COLOR", "CLICOLOR_FORCE", "UV_INTERNAL__PARENT_INTERPRETER", "UV_REQUIRE_HASHES",
  "UV_NO_VERIFY_HASHES",
  "UV_RUN_RECURSION_DEPTH", "__PYVENV_LAUNCHER__",
  "UV_FROZEN", "UV_LOCKED", /* of the lock file of a project: ours have none */
};

/* These decide what is resolved. */
static const char *const relevant[] = {
  "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
  "UV_NO_INDEX", "UV_INDEX_STRATEGY",
  "UV_PRERELEASE", "UV_RESOLUTION", "UV_FORK_STRATEGY", "UV_EXCLUDE_NEWER", "UV_CONSTRAINT",
  "UV_OVERRIDE", "UV_EXCLUDE",
  "UV_BUILD_CONSTRAINT", "UV_TORCH_BACKEND", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE",
  "UV_ONLY_BINARY", "UV_NO_SOURCES",
  "UV_NO_CONFIG", "UV_CONFIG_FILE",
};

/* A real program: scripts such as a version manager's shims run something that depends on the
 * directory. */
gboolean
_pyisolate_env_is_program (const char *path,
                           int        *problem)
{
  PYISOLATE_ENV_AUTOFD int fd = -1;
  char magic[4];
  struct stat st;

  if (stat (path, &st) != 0 || !S_ISREG (st.st_mode) || access (path, X_OK) != 0)
    return FALSE;

  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && problem != NULL && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
    *problem = errno;

  return fd >= 0 && read (fd, magic, sizeof magic) == sizeof magic &&
         memcmp (magic, "\177ELF", sizeof magic) == 0;
}

/* On PATH; scripts do not count. */
static char *
find_program (const char *name,
              int        *problem)
{
  const char *path = g_getenv ("PATH");
  g_auto (GStrv) directories = g_strsplit (path != NULL ? path : "/usr/local/bin:/usr/bin:/bin",
                                           ":", -1);

  for (guint i = 0; directories[i] != NULL; i++)
    {
      g_autofree char *file = g_build_filename (directories[i], name, NULL);

      if (g_path_is_absolute (file) && _pyisolate_env_is_program (file, problem))
        return g_steal_pointer (&file);
    }

  return NULL;
}

static gboolean
is_executable (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISREG (st.st_mode) && access (path, X_OK) == 0;
}

char *
_pyisolate_environment_find_uv (const char  *uv_path,
                                GError     **error)
{
  g_autofree char *beside = NULL, *local = NULL, *cargo = NULL;
  const char *candidates[3];
  const char *origin = "uv-path";
  int problem = 0;
  char *found;

  if (uv_path == NULL || *uv_path == '\0')
    {
      uv_path = g_getenv ("PYISOLATE_UV");
      origin = "PYISOLATE_UV";
    }
  if (uv_path != NULL && *uv_path != '\0')
    {
      if (g_path_is_absolute (uv_path) && is_executable (uv_path))
        return g_strdup (uv_path);
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_UV_MISSING,
                   "%s says that uv is %s, %s", origin, uv_path,
                   g_path_is_absolute (uv_path) ? "where there is no program" : "which is no absolute path");
      return NULL;
    }

  beside = _pyisolate_get_runtime_path ("uv");
  if (is_executable (beside))
    return g_steal_pointer (&beside);
  found = find_program ("uv", &problem);
  if (found != NULL)
    return found;

  local = g_build_filename (g_get_home_dir (), ".local", "bin", "uv", NULL);
  cargo = g_build_filename (g_get_home_dir (), ".cargo", "bin", "uv", NULL);
  candidates[0] = local;
  candidates[1] = cargo;
  candidates[2] = NULL;
  for (guint i = 0; candidates[i] != NULL; i++)
    {
      if (_pyisolate_env_is_program (candidates[i], &problem))
        return g_strdup (candidates[i]);
    }

  if (problem != 0)
    {
      _pyisolate_env_set_errno (error, problem, "Cannot look for", "uv");
      return NULL;
    }
  g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_UV_MISSING,
                       "The program uv is neither on PATH nor in ~/.local/bin; install it (“pipx "
                       "install uv”, or "
                       "https://docs.astral.sh/uv), or say where it is with uv-path or the "
                       "variable PYISOLATE_UV");
  return NULL;
}

char **
_pyisolate_env_clean_environ (void)
{
  char **environment = g_get_environ ();
  g_auto (GStrv) names = g_listenv ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      if (g_str_has_prefix (names[i], "PYTHON"))
        environment = g_environ_unsetenv (environment, names[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (unwanted); i++)
    environment = g_environ_unsetenv (environment, unwanted[i]);

  return environment;
}

static GPtrArray *
config_files (void)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  const char *explicit_file = g_getenv ("UV_CONFIG_FILE");
  const char *const *directories = g_get_system_config_dirs ();

  if (g_getenv ("UV_NO_CONFIG") != NULL)
    return files;
  if (explicit_file != NULL)
    {
      g_ptr_array_add (files, g_strdup (explicit_file));
      return files;
    }

  g_ptr_array_add (files, g_build_filename (g_get_user_config_dir (), "uv", "uv.toml", NULL));
  for (guint i = 0; directories[i] != NULL; i++)
    g_ptr_array_add (files, g_build_filename (directories[i], "uv", "uv.toml", NULL));
  g_ptr_array_add (files, g_strdup ("/etc/uv/uv.toml"));

  return files;
}

/* Whether the user's files set @key anywhere: then we set no default of ours for it. */
static gboolean
config_mentions (const char *key)
{
  g_autoptr (GPtrArray) files = config_files ();

  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = NULL;

      if (g_file_get_contents (g_ptr_array_index (files, i), &text, NULL, NULL) &&
          strstr (text, key) != NULL)
        return TRUE;
    }

  return FALSE;
}

char *
_pyisolate_env_uv_dup_identity (void)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GPtrArray) files = config_files ();

  for (guint i = 0; i < G_N_ELEMENTS (relevant); i++)
    {
      const char *value = g_getenv (relevant[i]);
      g_autofree char *line = NULL, *redacted = NULL;

      if (value == NULL)
        continue;
      redacted = _pyisolate_env_redact_text (value);
      line = g_strdup_printf ("%s=%s\n", relevant[i], redacted);
      g_checksum_update (checksum, (const guchar *) line, -1);
    }
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = NULL, *redacted = NULL;

      if (!g_file_get_contents (g_ptr_array_index (files, i), &text, NULL, NULL))
        continue;
      /* Without the passwords, so that a new one makes no new environment. */
      redacted = _pyisolate_env_redact_text (text);
      g_checksum_update (checksum, (const guchar *) redacted, -1);
      g_checksum_update (checksum, (const guchar *) "", 1);
    }

  return g_strdup (g_checksum_get_string (checksum));
}

static char **
set_default (char       **environment,
             const char  *name,
             const char  *config_key,
             const char  *value)
{
  if (g_environ_getenv (environment, name) != NULL || (config_key != NULL &&
                                                       config_mentions (config_key)))
    return environment;

  return g_environ_setenv (environment, name, value, TRUE);
}

/* Ours first, then what the user has. */
static char **
prepend (char       **environment,
         const char  *name,
         const char  *separator,
         const char  *ours)
{
  const char *theirs = g_environ_getenv (environment, name);
  g_autofree char *value = theirs != NULL ? g_strjoin (separator, ours, theirs,
                                                       NULL) : g_strdup (ours);

  return g_environ_setenv (environment, name, value, TRUE);
}

static char *
join_find_links (const PyIsolateEnvironmentRequest *request)
{
  GString *joined = g_string_new (NULL);

  for (guint i = 0; request->find_links[i] != NULL; i++)
    {
      const char *link = request->find_links[i];
      g_autofree char *text = NULL;

      if (strstr (link, "://") != NULL)
        text = g_strdup (link);
      else
        {
          g_autofree char *path = g_canonicalize_filename (link, request->base_directory);
          g_autofree char *uri = g_filename_to_uri (path, NULL, NULL);
          /* The variable is a list with commas; g_filename_to_uri() leaves those of a path
           * alone. */
          g_auto (GStrv) parts = g_strsplit (uri, ",", -1);

          text = g_strjoinv ("%2C", parts);
        }
      if (joined->len > 0)
        g_string_append_c (joined, ',');
      g_string_append (joined, text);
    }

  return g_string_free (joined, FALSE);
}

char **
_pyisolate_env_uv_build_environ (const PyIsolateEnvironmentRequest *request)
{
  char **environment = _pyisolate_env_clean_environ ();

  environment = g_environ_setenv (environment, "NO_COLOR", "1", TRUE);
  environment = g_environ_setenv (environment, "UV_NO_PROGRESS", "1", TRUE);
  environment = set_default (environment, "GIT_TERMINAL_PROMPT", NULL, "0");
  environment = set_default (environment, "UV_PYTHON_DOWNLOADS", "python-downloads", "never");
  environment = set_default (environment, "UV_LINK_MODE", "link-mode", "hardlink");
  environment = set_default (environment, "UV_HTTP_RETRIES", "http-retries", "2");

  if (request->index_url != NULL)
    {
      environment = g_environ_unsetenv (environment, "UV_INDEX_URL");
      environment = g_environ_setenv (environment, "UV_DEFAULT_INDEX", request->index_url, TRUE);
    }
  if (request->extra_index_urls != NULL && *request->extra_index_urls != NULL)
    {
      g_autofree char *joined = g_strjoinv (" ", request->extra_index_urls);

      environment = prepend (environment, "UV_INDEX", " ", joined);
    }
  if (request->find_links != NULL && *request->find_links != NULL)
    {
      g_autofree char *joined = join_find_links (request);

      environment = prepend (environment, "UV_FIND_LINKS", ",", joined);
    }

  return environment;
}
