/* SPDX-License-Identifier: MIT */
/* Environments: what the host and the command line call.
 *
 * Every function here blocks and takes a GCancellable; run them in a thread. All are safe to
 * call from several threads and several processes on one root at once.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum {
  PYISOLATE_ENVIRONMENT_STAGE_RESOLVING,
  PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING,
  PYISOLATE_ENVIRONMENT_STAGE_INSTALLING,
} PyIsolateEnvironmentStage;

/* @fraction is of the whole making, 0 to 1, and never falls; @text is one line for people, valid
 * during the call. Called in the thread that called the function. */
typedef void (*PyIsolateEnvironmentProgressFunc) (PyIsolateEnvironmentStage stage,
                                                  double                    fraction,
                                                  const char               *text,
                                                  gpointer                  user_data);

/* What is asked for. All strings are owned. */
typedef struct {
  char *venv_root;            /* an absolute directory; made if it is not there */
  /* nullable: relative paths in dependencies and find_links start here; else the current one */
  char *base_directory;
  /* nullable: $PYISOLATE_UV, beside us, PATH (programs, not scripts), ~/.local/bin, ~/.cargo/bin */
  char *uv_path;
  /* nullable: uv runs under it, so that uv and what it starts end with this process */
  char *launcher_path;
  /* nullable: default_python; an absolute path, a command, "3.11", or ">=3.10" */
  char *python;
  char *default_python;       /* nullable: `python3` on PATH, the program behind it */
  char *requires_python;      /* nullable: a specifier; what the extension itself says, whichever is chosen */
  char **dependencies;        /* nullable */
  char **find_links;          /* nullable: directories, or URLs of pages with links */
  char **extra_index_urls;    /* nullable */
  char *index_url;            /* nullable: what the user's uv says */
  char *lock_file;            /* nullable: an absolute path: install exactly what stands there */
  gboolean allow_source_builds;
  /* a changed local requirement updates the environment, not only a message */
  gboolean auto_update;
  char *environment;          /* nullable: the user's own venv or prefix; used as it is */
  /* nullable: a prefix, or a directory of packages, whose torch the environment is lent */
  char *torch_environment;
  char *extension_name;       /* nullable: recorded as a user of the environment */
} PyIsolateEnvironmentRequest;

PyIsolateEnvironmentRequest *
_pyisolate_environment_request_new (const char *venv_root);
void
_pyisolate_environment_request_free (PyIsolateEnvironmentRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvironmentRequest, _pyisolate_environment_request_free)

/* Everything that can be told without starting a process. */
gboolean _pyisolate_environment_check_request (const PyIsolateEnvironmentRequest  *request,
                                               GError                            **error);

/* An environment in use: until the last reference is gone, prune and remove leave it alone. */
typedef struct _PyIsolateEnvironment PyIsolateEnvironment;

PyIsolateEnvironment *_pyisolate_environment_ref                (PyIsolateEnvironment *self);
void                  _pyisolate_environment_unref              (PyIsolateEnvironment *self);
const char           *_pyisolate_environment_get_prefix         (PyIsolateEnvironment *self);
const char           *_pyisolate_environment_get_python         (PyIsolateEnvironment *self);
const char           *_pyisolate_environment_get_python_version (PyIsolateEnvironment *self);
const char *
_pyisolate_environment_get_key (PyIsolateEnvironment *self); /* NULL: the user's own */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvironment, _pyisolate_environment_unref)

PyIsolateEnvironment *
_pyisolate_environment_ensure (const PyIsolateEnvironmentRequest  *request,
                               PyIsolateEnvironmentProgressFunc    progress,
                               gpointer                            user_data,
                               GCancellable                       *cancellable,
                               GError                            **error)
  G_GNUC_WARN_UNUSED_RESULT;
/* Whether to ensure it is to look at some files; another process may change that at any time. */
gboolean _pyisolate_environment_is_ready (const PyIsolateEnvironmentRequest *request);
PyIsolateEnvironment *
_pyisolate_environment_update (const PyIsolateEnvironmentRequest  *request,
                               PyIsolateEnvironmentProgressFunc    progress,
                               gpointer                            user_data,
                               GCancellable                       *cancellable,
                               GError                            **error)
  G_GNUC_WARN_UNUSED_RESULT;

/* What there is. */
typedef struct {
  char *key;
  guint generation;           /* the current one; 0: none is whole */
  guint n_generations;
  char *prefix;
  char *python;               /* the base interpreter */
  char *python_version;
  char **requirements;        /* as they were asked for, credentials left out */
  char **packages;            /* "name version", sorted */
  char **extensions;          /* names of those that use it, sorted */
  gint64 created;             /* seconds since the epoch */
  guint64 size_total;         /* bytes on disk */
  guint64 size_unique;        /* of which no other environment and no cache shares the file */
  gboolean in_use;            /* by some process, now */
} PyIsolateEnvironmentInfo;

void _pyisolate_environment_info_free (PyIsolateEnvironmentInfo *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvironmentInfo, _pyisolate_environment_info_free)

/* @which is an extension's name, or a key, or the start of a key (4 characters at least). */
GPtrArray *
_pyisolate_environment_list (const char  *venv_root,
                             GError     **error)
  G_GNUC_WARN_UNUSED_RESULT;
PyIsolateEnvironmentInfo *
_pyisolate_environment_show (const char  *venv_root,
                             const char  *which,
                             GError     **error)
  G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
  PYISOLATE_ENVIRONMENT_PROBLEM_MISSING,  /* a file is gone */
  PYISOLATE_ENVIRONMENT_PROBLEM_CHANGED,  /* it is not what was installed */
  PYISOLATE_ENVIRONMENT_PROBLEM_EXTRA,    /* it was not installed by us */
  /* it never was what its package says: a damaged cache, or a faulty package */
  PYISOLATE_ENVIRONMENT_PROBLEM_RECORD,
} PyIsolateEnvironmentProblemKind;

typedef struct {
  PyIsolateEnvironmentProblemKind kind;
  char *path;                 /* below the prefix */
} PyIsolateEnvironmentProblem;

const char *_pyisolate_environment_problem_kind_to_string (PyIsolateEnvironmentProblemKind kind);

/* Reads every file. An empty array: nothing is wrong. */
GPtrArray *_pyisolate_environment_verify (const char    *venv_root,
                                          const char    *which,
                                          GCancellable  *cancellable,
                                          GError       **error) G_GNUC_WARN_UNUSED_RESULT;

/* A new generation from the environment's own lock; packages with problems are thrown out of
 * uv's cache first. Of @request only the root, uv, launcher, find_links and indexes count; where
 * they are not set, what the environment was made with. */
PyIsolateEnvironment *
_pyisolate_environment_repair (const PyIsolateEnvironmentRequest  *request,
                               const char                         *which,
                               PyIsolateEnvironmentProgressFunc    progress,
                               gpointer                            user_data,
                               GCancellable                       *cancellable,
                               GError                            **error)
  G_GNUC_WARN_UNUSED_RESULT;

gboolean _pyisolate_environment_remove (const char    *venv_root,
                                        const char    *which,
                                        GCancellable  *cancellable,
                                        GError       **error);

typedef struct {
  guint n_environments;       /* generations removed */
  guint n_leftovers;          /* half-made or half-removed ones */
  guint64 size;               /* bytes freed, as far as no other file shared them */
} PyIsolateEnvironmentPruneReport;

#define PYISOLATE_ENV_ANY_TIME G_MAXINT64

/* Removes what nobody uses now and no extension refers to; or only whole environments that were made before then, in seconds of the
 * real time. */
gboolean _pyisolate_environment_prune (const char                       *venv_root,
                                       gint64                            made_before,
                                       PyIsolateEnvironmentPruneReport  *report,
                                       GCancellable                     *cancellable,
                                       GError                          **error);

/* Where uv is, or UV_MISSING with what to do. @uv_path: nullable, as in the request. */
char *_pyisolate_environment_find_uv (const char  *uv_path,
                                      GError     **error) G_GNUC_WARN_UNUSED_RESULT;

/* $PYISOLATE_RUNTIME_DIR, or where `meson install` puts the runtime; with @relative below it. */
char *_pyisolate_get_runtime_path (const char *relative) G_GNUC_WARN_UNUSED_RESULT;
/* The same for $PYISOLATE_LAUNCHER. */
char *_pyisolate_get_launcher_path (void) G_GNUC_WARN_UNUSED_RESULT;

/* What an extension says about itself. */
#define PYISOLATE_PROJECT_UNSET G_MININT64

typedef struct {
  char *name;
  char *module_path;          /* absolute: the directory, or the single file */
  char **dependencies;        /* never NULL */
  char *requires_python;      /* nullable: a specifier */
  /* [tool.pyisolate]; nullable unless said otherwise; paths are absolute */
  char **apis;
  char **source_paths;
  char *index_url;
  char **extra_index_urls;
  char **find_links;
  char *lock_file;
  char *python;
  int allow_source_builds;    /* -1: not said */
  int auto_update;            /* -1: not said */
  int share_torch;            /* -1: not said */
  int kill_on_timeout;        /* -1: not said */
  gint64 call_timeout;        /* milliseconds, -1: no limit, PYISOLATE_PROJECT_UNSET: not said */
  gint64 start_timeout;
  gint64 stop_timeout;
} PyIsolateProjectMetadata;

void _pyisolate_project_metadata_free (PyIsolateProjectMetadata *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateProjectMetadata, _pyisolate_project_metadata_free)

PyIsolateProjectMetadata *_pyisolate_project_read (const char    *path,
                                                   const char    *uv_path,
                                                   const char    *default_python,
                                                   GCancellable  *cancellable,
                                                   GError       **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
