/* SPDX-License-Identifier: MIT */
/* What the subcommands of `pyisolate env` share. */
#pragma once

#include "cli-program.h"
#include "pyisolate-environment-private.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

int env_create (CliProgram *program,
                int         argc,
                char      **argv);
int env_update (CliProgram *program,
                int         argc,
                char      **argv);
int env_list   (CliProgram *program,
                int         argc,
                char      **argv);
int env_show   (CliProgram *program,
                int         argc,
                char      **argv);
int env_verify (CliProgram *program,
                int         argc,
                char      **argv);
int env_repair (CliProgram *program,
                int         argc,
                char      **argv);
int env_remove (CliProgram *program,
                int         argc,
                char      **argv);
int env_prune  (CliProgram *program,
                int         argc,
                char      **argv);

/* What one of the blocking functions works on, in a thread. */
typedef struct {
  char *venv_root;
  char *which;                /* nullable */
  gint64 made_before;         /* in seconds of the real time */
} EnvJob;

EnvJob *env_job_new  (CliProgram *program,
                      const char *which);
void    env_job_free (gpointer    job);
/* Answers with @result, or with @error if that is NULL. */
void    env_return   (GTask          *task,
                      gpointer        result,
                      GDestroyNotify  destroy,
                      GError         *error);

/* All environments, of PyIsolateEnvironmentInfo. */
GPtrArray *env_read_list   (CliProgram *program,
                            GError    **error) G_GNUC_WARN_UNUSED_RESULT;
PyIsolateEnvironmentInfo *env_read_one (CliProgram *program,
                                        const char *which,
                                        GError    **error) G_GNUC_WARN_UNUSED_RESULT;
/* "12.3 MB" */
char      *env_format_size (guint64 bytes) G_GNUC_WARN_UNUSED_RESULT;
/* As much of a key as people compare. */
char      *env_short_key   (const char *key) G_GNUC_WARN_UNUSED_RESULT;
void       env_add_info    (JsonBuilder                    *builder,
                            const PyIsolateEnvironmentInfo *info);
#define ENV_WHICH_DESCRIPTION \
  "WHICH is a key, the first 4 characters of one or more, or the name of an extension."
/* The name or key that must stand alone in @rest; NULL: told. */
const char *env_which      (char **rest);

G_END_DECLS
