/* SPDX-License-Identifier: MIT */
/* Compares a generation with the manifest that was written when it was made, and with the RECORD
 * of each of its packages.
 *
 * The manifest (finish-generation.py writes it) has one line for each file and link, `file
 * SHA256 PATH` or `link TARGET PATH`, with %XX for blanks, `%` and all that is not printable
 * ASCII. Its own digest is in the stamp. A package's RECORD says what its maker put into it:
 * where the manifest fits and the RECORD does not, the files were already damaged in uv's cache.
 */
#include "config.h"

#include "pyisolate-env-manifest-private.h"

#include "pyisolate-env-store-private.h"
#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-environment-private.h"
#include "pyisolate-error.h"

#include <string.h>
#include <sys/stat.h>

typedef struct {
  const char *generation;
  GPtrArray *problems;
  GHashTable *digests;        /* path → SHA-256 in hex, or NULL (links) */
  GHashTable *seen;           /* paths with a problem */
} Check;

static void
problem_free (PyIsolateEnvironmentProblem *self)
{
  g_free (self->path);
  g_free (self);
}

const char *
_pyisolate_environment_problem_kind_to_string (PyIsolateEnvironmentProblemKind kind)
{
  static const char *const names[] = { "missing", "changed", "extra", "damaged" };

  g_assert (kind < G_N_ELEMENTS (names));

  return names[kind];
}

static void
add_problem (Check                           *check,
             PyIsolateEnvironmentProblemKind  kind,
             const char                      *path)
{
  PyIsolateEnvironmentProblem *problem = g_new0 (PyIsolateEnvironmentProblem, 1);

  problem->kind = kind;
  problem->path = g_utf8_make_valid (path, -1);
  g_ptr_array_add (check->problems, problem);
  g_hash_table_add (check->seen, g_strdup (path));
}

static void
unescape (char *text)
{
  char *to = text;

  for (const char *from = text; *from != '\0'; from++)
    {
      if (*from == '%' && g_ascii_isxdigit (from[1]) && g_ascii_isxdigit (from[2]))
        {
          *to++ = (char) (g_ascii_xdigit_value (from[1]) * 16 + g_ascii_xdigit_value (from[2]));
          from += 2;
        }
      else
        *to++ = *from;
    }
  *to = '\0';
}

static void
check_link (Check      *check,
            const char *path,
            const char *relative,
            const char *expected)
{
  g_autofree char *target = g_file_read_link (path, NULL);

  g_hash_table_insert (check->digests, g_strdup (relative), NULL);
  if (!g_str_equal (expected, target != NULL ? target : ""))
    add_problem (check, PYISOLATE_ENVIRONMENT_PROBLEM_CHANGED, relative);
}

static void
check_file (Check      *check,
            const char *path,
            const char *relative,
            const char *expected)
{
  char *digest = _pyisolate_env_file_digest (path, NULL);

  if (!g_str_equal (expected, digest != NULL ? digest : ""))
    add_problem (check, PYISOLATE_ENVIRONMENT_PROBLEM_CHANGED, relative);
  g_hash_table_insert (check->digests, g_strdup (relative), digest);
}

static void
check_line (Check      *check,
            const char *line)
{
  g_auto (GStrv) fields = g_strsplit (line, " ", 3);
  g_autofree char *path = NULL;
  gboolean is_link;
  struct stat st;

  if (g_strv_length (fields) != 3)
    return;

  is_link = g_str_equal (fields[0], "link");
  unescape (fields[1]);
  unescape (fields[2]);
  path = g_build_filename (check->generation, fields[2], NULL);
  if (lstat (path, &st) != 0)
    add_problem (check, PYISOLATE_ENVIRONMENT_PROBLEM_MISSING, fields[2]);
  else if (is_link != !!S_ISLNK (st.st_mode) || (!is_link && !S_ISREG (st.st_mode)))
    {
      g_hash_table_insert (check->digests, g_strdup (fields[2]), NULL);
      add_problem (check, PYISOLATE_ENVIRONMENT_PROBLEM_CHANGED, fields[2]);
    }
  else if (is_link)
    check_link (check, path, fields[2], fields[1]);
  else
    check_file (check, path, fields[2], fields[1]);
}

static gboolean
check_extra (const char *relative,
             gpointer    user_data)
{
  Check *check = user_data;

  if (!g_str_has_prefix (relative, PYISOLATE_ENV_OURS "/") &&
      !g_hash_table_contains (check->digests, relative))
    add_problem (check, PYISOLATE_ENVIRONMENT_PROBLEM_EXTRA, relative);

  return TRUE;
}

/* `path,sha256=BASE64,size`; the path is quoted if it holds a comma or a quote. */
static char *
parse_record_path (const char **line)
{
  GString *path = g_string_new (NULL);
  const char *p = *line;
  gboolean quoted = *p == '"';

  for (p += quoted; *p != '\0' && (quoted || *p != ','); p++)
    {
      if (!quoted || *p != '"')
        g_string_append_c (path, *p);
      else if (p[1] == '"')
        g_string_append_c (path, *p++);
      else
        quoted = FALSE;
    }
  *line = p;

  return g_string_free (path, FALSE);
}

/* In hex; NULL: this file has none, or one of another kind. */
static char *
parse_record_digest (const char *rest)
{
  g_autofree char *base64 = NULL;
  g_autofree guchar *raw = NULL;
  char *digest;
  gsize length;

  if (!g_str_has_prefix (rest, ",sha256="))
    return NULL;

  rest += strlen (",sha256=");
  base64 = g_strdup_printf ("%.*s=", (int) strcspn (rest, ","), rest);
  g_strdelimit (base64, "-", '+');
  g_strdelimit (base64, "_", '/');
  raw = g_base64_decode (base64, &length);
  if (length != 32)
    return NULL;

  digest = g_malloc0 (65);
  for (gsize i = 0; i < length; i++)
    g_snprintf (digest + 2 * i, 3, "%02x", raw[i]);

  return digest;
}

static void
check_record (Check      *check,
              const char *record)
{
  g_autofree char *file = g_build_filename (check->generation, record, NULL);
  g_autofree char *dist_info = g_path_get_dirname (record);
  g_autofree char *site_packages = g_path_get_dirname (dist_info);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return;

  lines = g_strsplit_set (text, "\r\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *rest = lines[i];
      g_autofree char *path = parse_record_path (&rest);
      g_autofree char *expected = parse_record_digest (rest);
      g_autofree char *joined = g_build_filename ("/", site_packages, path, NULL);
      g_autofree char *absolute = g_canonicalize_filename (joined, "/");
      const char *digest = g_hash_table_lookup (check->digests, absolute + 1);

      /* What is missing altogether the manifest told already, or the package never had it. Bytecode
       * that a package brings was replaced by ours. */
      if (g_str_has_suffix (path, ".pyc"))
        continue;
      if (expected != NULL && digest != NULL && !g_str_equal (digest, expected) &&
          !g_hash_table_contains (check->seen, absolute + 1))
        add_problem (check, PYISOLATE_ENVIRONMENT_PROBLEM_RECORD, absolute + 1);
    }
}

static void
check_records (Check *check)
{
  g_autoptr (GPtrArray) records = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, check->digests);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      if (g_str_has_suffix (key, ".dist-info/RECORD"))
        g_ptr_array_add (records, key);
    }
  for (guint i = 0; i < records->len; i++)
    check_record (check, g_ptr_array_index (records, i));
}

GPtrArray *
_pyisolate_env_manifest_verify (const char    *generation,
                                const char    *digest,
                                GCancellable  *cancellable,
                                GError       **error)
{
  g_autoptr (GPtrArray) problems =
    g_ptr_array_new_with_free_func ((GDestroyNotify) problem_free);
  g_autoptr (GHashTable) digests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *path = _pyisolate_env_generation_file (generation, "manifest");
  g_autofree char *actual = _pyisolate_env_file_digest (path, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  Check check = { generation, problems, digests, seen };

  if (actual == NULL || !g_str_equal (actual, digest) ||
      !g_file_get_contents (path, &text, NULL, NULL))
    {
      add_problem (&check, actual == NULL ? PYISOLATE_ENVIRONMENT_PROBLEM_MISSING
                   : PYISOLATE_ENVIRONMENT_PROBLEM_CHANGED,
                   PYISOLATE_ENV_OURS "/manifest");
      return g_steal_pointer (&problems);
    }

  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return NULL;
      check_line (&check, lines[i]);
    }
  _pyisolate_env_tree_walk (generation, check_extra, &check);
  check_records (&check);

  return g_steal_pointer (&problems);
}

char **
_pyisolate_env_generation_packages (const char *generation,
                                    const char *python_minor)
{
  g_autofree char *python = g_strconcat ("python", python_minor, NULL);
  g_autofree char *site_packages = g_build_filename (generation, "lib", python, "site-packages",
                                                     NULL);
  g_auto (GStrv) names = _pyisolate_env_store_list_names (site_packages, "");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      char *dash;

      if (!g_str_has_suffix (names[i], ".dist-info"))
        continue;
      names[i][strlen (names[i]) - strlen (".dist-info")] = '\0';
      /* As wheels are named: no dash in the name, nor in the version. */
      dash = strchr (names[i], '-');
      if (dash != NULL)
        *dash = ' ';
      g_strv_builder_add (builder, names[i]);
    }

  return g_strv_builder_end (builder);
}
