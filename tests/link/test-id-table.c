/* SPDX-License-Identifier: MIT */
/* The table of calls by their numbers does what a GHashTable does. */
#include "config.h"

#include "pyisolate-id-table-private.h"

#define N_STEPS 200000

static int
compare_pointers (gconstpointer a,
                  gconstpointer b)
{
  guintptr one = *(const guintptr *) a;
  guintptr other = *(const guintptr *) b;

  return (one > other) - (one < other);
}

/* All values, in order. */
static void
assert_same (PyIsolateIdTable *table,
             GHashTable       *model)
{
  g_autofree gpointer *values = NULL;
  g_autofree gpointer *wanted = NULL;
  GHashTableIter iter;
  gpointer value;
  guint n_values;
  guint n = 0;

  values = _pyisolate_id_table_dup_values (table, &n_values);
  g_assert_cmpuint (n_values, ==, g_hash_table_size (model));
  g_assert_cmpuint (n_values, ==, table->n_values);
  wanted = g_new (gpointer, n_values);
  g_hash_table_iter_init (&iter, model);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    wanted[n++] = value;

  if (n_values == 0)
    return;

  qsort (values, n_values, sizeof *values, compare_pointers);
  qsort (wanted, n_values, sizeof *wanted, compare_pointers);
  g_assert_cmpmem (values, n_values * sizeof *values, wanted, n * sizeof *wanted);
}

/* @range: so few numbers that they meet, and are put in again. */
static void
do_steps (guint64 first,
          guint   range,
          guint   stride)
{
  g_autoptr (GHashTable) model = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GRand) random = g_rand_new_with_seed (range);
  PyIsolateIdTable table = { 0 };

  for (guint i = 0; i < N_STEPS; i++)
    {
      guint64 id = first + (guint64) g_rand_int_range (random, 0, range) * stride;
      gpointer known = g_hash_table_lookup (model, &id);

      g_assert_true (_pyisolate_id_table_lookup (&table, id) == known);
      /* It grows, and shrinks, and grows again. */
      if (g_rand_int_range (random, 0, N_STEPS) < (int) ((i * 4) % N_STEPS))
        {
          g_assert_true (_pyisolate_id_table_steal (&table, id) == known);
          g_hash_table_remove (model, &id);
        }
      else
        {
          gpointer value = GUINT_TO_POINTER (i + 1);

          g_assert_true (_pyisolate_id_table_insert (&table, id, value) == known);
          g_hash_table_replace (model, g_memdup2 (&id, sizeof id), value);
        }
      if (i % 1000 == 0)
        assert_same (&table, model);
    }

  assert_same (&table, model);
  _pyisolate_id_table_clear (&table);
  g_assert_null (_pyisolate_id_table_lookup (&table, first));
}

static void
test_dense (void)
{
  do_steps (1, 3000, 1);
}

static void
test_few (void)
{
  do_steps (G_GUINT64_CONSTANT (7) << 32, 12, 1);
}

/* Numbers that a worker might choose to be in each other's way. */
static void
test_apart (void)
{
  do_steps (0, 2000, 1u << 20);
}

/* As calls are: one after the other, and gone soon. */
static void
test_rising (void)
{
  PyIsolateIdTable table = { 0 };

  for (guint64 id = 1; id < N_STEPS; id++)
    {
      g_assert_null (_pyisolate_id_table_insert (&table, id, GUINT_TO_POINTER ((guint) id)));
      if (id > 5)
        g_assert_true (_pyisolate_id_table_steal (&table, id - 5) == GUINT_TO_POINTER ((guint) id - 5));
    }
  g_assert_cmpuint (table.n_values, ==, 5);
  g_assert_cmpuint (table.n_bits, <=, 4);
  _pyisolate_id_table_clear (&table);
}

static void
test_empty (void)
{
  PyIsolateIdTable table = { 0 };
  g_autofree gpointer *values = NULL;
  guint n_values = 1;

  g_assert_null (_pyisolate_id_table_lookup (&table, 1));
  g_assert_null (_pyisolate_id_table_steal (&table, 1));
  values = _pyisolate_id_table_dup_values (&table, &n_values);
  g_assert_cmpuint (n_values, ==, 0);
  _pyisolate_id_table_clear (&table);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/pyisolate/id-table/dense", test_dense);
  g_test_add_func ("/pyisolate/id-table/few", test_few);
  g_test_add_func ("/pyisolate/id-table/apart", test_apart);
  g_test_add_func ("/pyisolate/id-table/rising", test_rising);
  g_test_add_func ("/pyisolate/id-table/empty", test_empty);

  return g_test_run ();
}
