/* SPDX-License-Identifier: MIT */
/* A venv root, wheels and a uv cache of a test's own; no network. */
#pragma once

#include "pyisolate-environment-private.h"
#include "pyisolate-error.h"

#include "test-util.h"

typedef struct {
  char *directory;            /* of all that follows */
  char *root;                 /* venv root; not there yet */
  char *links;                /* wheels */
  char *uv;                   /* the real one */
  char *python;               /* the real one */
} EnvFixture;

EnvFixture *env_fixture_new  (void);
void        env_fixture_free (EnvFixture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EnvFixture, env_fixture_free)

/* For a whole program: one directory and cache for uv. Call it before threads start. */
void  env_fixture_init (int *argc, char ***argv);
int   env_fixture_run  (void);

/* "name==1.0;requires=other<2" … up to NULL; make-wheels.py has the rest. */
void  env_fixture_add_wheels (EnvFixture *self, ...) G_GNUC_NULL_TERMINATED;
/* A request for these requirements, up to NULL. */
PyIsolateEnvironmentRequest *env_fixture_request (EnvFixture *self, ...) G_GNUC_NULL_TERMINATED;
PyIsolateEnvironment        *env_fixture_ensure  (EnvFixture *self, ...) G_GNUC_NULL_TERMINATED;
/* It succeeds. */
PyIsolateEnvironment        *env_ensure          (PyIsolateEnvironmentRequest *request);

/* Below the fixture's directory. */
char *env_fixture_path       (EnvFixture *self, const char *name);
char *env_fixture_write      (EnvFixture *self, const char *name, const char *text);
char *env_fixture_script     (EnvFixture *self, const char *name, const char *text);
/* A uv that writes a line to `calls` each time, and how many there are. */
char *env_fixture_counted_uv (EnvFixture *self);
guint env_fixture_count      (EnvFixture *self, const char *name);

/* What the environment's own python prints; that is the worker's part, played by the test. */
char *env_fixture_python     (PyIsolateEnvironment *environment, const char *program);
char *env_site_packages      (PyIsolateEnvironment *environment);
/* The names in ROOT/FOLDER/…, for a look at what is left. */
char *env_fixture_listing    (EnvFixture *self);

/* Fails; gives the message. */
char *env_assert_error       (GError **error, GQuark domain, int code);
