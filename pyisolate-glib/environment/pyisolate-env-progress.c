/* SPDX-License-Identifier: MIT */
/* How far the making of an environment is, from the lines that uv writes on stderr.
 *
 * Of the whole, resolving is a tenth, fetching goes to seven tenths, installing to nine,
 * bytecode to the end. uv announces the size of large downloads only; the small ones count as
 * packages.
 */
#include "config.h"

#include "pyisolate-env-uv-private.h"

#include <stdlib.h>
#include <string.h>

#define RESOLVED 0.1
#define FETCHED 0.7
#define INSTALLED 0.8

/* What is told again with the same text must be further by that much: nobody sees less of a progress bar. */
#define STEP 0.01

void
_pyisolate_env_progress_init (PyIsolateEnvProgress             *self,
                              PyIsolateEnvironmentProgressFunc  func,
                              gpointer                          user_data)
{
  *self = (PyIsolateEnvProgress) { func, user_data };
  self->sizes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

void
_pyisolate_env_progress_clear (PyIsolateEnvProgress *self)
{
  g_clear_pointer (&self->sizes, g_hash_table_unref);
  g_clear_pointer (&self->text, g_free);
}

/* When uv installs, it says once more that it has resolved what it was given, which is no step back. */
static gboolean
is_news (PyIsolateEnvProgress      *self,
         PyIsolateEnvironmentStage  stage,
         double                     fraction,
         const char                *text)
{
  if (self->text == NULL || stage > self->stage)
    return TRUE;
  if (stage < self->stage)
    return FALSE;

  return fraction >= self->fraction + STEP || strcmp (text, self->text) != 0;
}

void
_pyisolate_env_progress_tell (PyIsolateEnvProgress      *self,
                              PyIsolateEnvironmentStage  stage,
                              double                     fraction,
                              const char                *text)
{
  if (self->func == NULL || !is_news (self, stage, fraction, text))
    return;

  self->stage = stage;
  self->fraction = CLAMP (fraction, self->fraction, 1.0);
  g_free (self->text);
  self->text = g_strdup (text);
  self->func (stage, self->fraction, text, self->user_data);
}

static double
parse_size (const char *text)
{
  const char *bracket = strrchr (text, '(');
  char *unit = NULL;
  double size;

  if (bracket == NULL)
    return 0;

  size = g_ascii_strtod (bracket + 1, &unit);
  if (g_str_has_prefix (unit, "GiB"))
    return size * 1024;
  if (g_str_has_prefix (unit, "KiB"))
    return size / 1024;
  return size;
}

static void
downloading (PyIsolateEnvProgress *self,
             const char           *text)
{
  double *size = g_new (double, 1);

  *size = parse_size (text);
  self->announced += *size;
  g_hash_table_replace (self->sizes, g_strndup (text, strcspn (text, " ")), size);
}

static void
downloaded (PyIsolateEnvProgress *self,
            const char           *name)
{
  double *size = g_hash_table_lookup (self->sizes, name);

  if (size != NULL)
    self->fetched += *size;
}

static double
fetched_fraction (PyIsolateEnvProgress *self)
{
  double part = self->announced > 0 ? self->fetched / self->announced : 0;

  return RESOLVED + part * (FETCHED - RESOLVED);
}

void
_pyisolate_env_progress_parse (PyIsolateEnvProgress *self,
                               const char           *line)
{
  g_autofree char *text = g_strstrip (g_utf8_make_valid (line, -1));

  if (g_str_has_prefix (text, "Resolved "))
    _pyisolate_env_progress_tell (self, PYISOLATE_ENVIRONMENT_STAGE_RESOLVING, RESOLVED, text);
  else if (g_str_has_prefix (text, "Downloading ") || g_str_has_prefix (text, "Building "))
    {
      downloading (self, strchr (text, ' ') + 1);
      _pyisolate_env_progress_tell (self, PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING,
                                    fetched_fraction (self), text);
    }
  else if (g_str_has_prefix (text, "Downloaded ") || g_str_has_prefix (text, "Built "))
    {
      downloaded (self, strchr (text, ' ') + 1);
      _pyisolate_env_progress_tell (self, PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING,
                                    fetched_fraction (self), text);
    }
  else if (g_str_has_prefix (text, "Prepared "))
    _pyisolate_env_progress_tell (self, PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING, FETCHED, text);
  else if (g_str_has_prefix (text, "Installed "))
    _pyisolate_env_progress_tell (self, PYISOLATE_ENVIRONMENT_STAGE_INSTALLING, INSTALLED, text);
  else if (g_str_has_prefix (text, "TOTAL "))
    self->n_packages = atoi (text + strlen ("TOTAL "));
  else if (g_str_has_prefix (text, "DONE ") && self->n_packages > 0)
    {
      double part = atoi (text + strlen ("DONE ")) / (double) self->n_packages;

      _pyisolate_env_progress_tell (self, PYISOLATE_ENVIRONMENT_STAGE_INSTALLING,
                                    INSTALLED + part * (1 - INSTALLED), "Compiling bytecode");
    }
}
