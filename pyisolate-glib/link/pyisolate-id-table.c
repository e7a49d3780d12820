/* SPDX-License-Identifier: MIT */
/* A table with open addressing: what is not in its own place is in the next one that was free. */
#include "config.h"

#include "pyisolate-id-table-private.h"

#define FIRST_BITS 4

static guint
get_mask (PyIsolateIdTable *self)
{
  return (1u << self->n_bits) - 1;
}

/* Multiplied by the golden ratio, numbers that follow each other are far from each other. */
static guint
get_place (PyIsolateIdTable *self,
           guint64           id)
{
  return (guint) ((id * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)) >> (64 - self->n_bits));
}

/* Where it is, or would be. */
static guint
find (PyIsolateIdTable *self,
      guint64           id)
{
  guint place = get_place (self, id);

  while (self->entries[place].value != NULL && self->entries[place].id != id)
    place = (place + 1) & get_mask (self);

  return place;
}

static void
resize (PyIsolateIdTable *self,
        guint             n_bits)
{
  PyIsolateIdEntry *before = self->entries;
  guint n_before = before != NULL ? 1u << self->n_bits : 0;

  self->n_bits = n_bits;
  self->entries = g_new0 (PyIsolateIdEntry, (gsize) 1 << n_bits);
  for (guint i = 0; i < n_before; i++)
    {
      if (before[i].value != NULL)
        self->entries[find (self, before[i].id)] = before[i];
    }
  g_free (before);
}

gpointer
_pyisolate_id_table_insert (PyIsolateIdTable *self,
                            guint64           id,
                            gpointer          value)
{
  gpointer before;
  guint place;

  g_assert (value != NULL);

  if (self->entries == NULL)
    resize (self, FIRST_BITS);
  else if (self->n_values >= 1u << (self->n_bits - 1))
    resize (self, self->n_bits + 1);

  place = find (self, id);
  before = self->entries[place].value;
  self->entries[place] = (PyIsolateIdEntry) { id, value };
  if (before == NULL)
    self->n_values++;

  return before;
}

gpointer
_pyisolate_id_table_lookup (PyIsolateIdTable *self,
                            guint64           id)
{
  return self->n_values > 0 ? self->entries[find (self, id)].value : NULL;
}

/* Whether what is at @place, but belongs to @own, must not be behind the @hole. */
static gboolean
must_move (PyIsolateIdTable *self,
           guint             own,
           guint             hole,
           guint             place)
{
  return ((place - own) & get_mask (self)) >= ((place - hole) & get_mask (self));
}

/* What follows without a gap is found no more, if it belongs to the place that is free now, or before. */
static void
close_hole (PyIsolateIdTable *self,
            guint             hole)
{
  for (guint place = (hole + 1) & get_mask (self); self->entries[place].value != NULL; place = (place + 1) & get_mask (self))
    {
      if (!must_move (self, get_place (self, self->entries[place].id), hole, place))
        continue;
      self->entries[hole] = self->entries[place];
      hole = place;
    }
  self->entries[hole].value = NULL;
}

gpointer
_pyisolate_id_table_steal (PyIsolateIdTable *self,
                           guint64           id)
{
  gpointer value;
  guint place;

  if (self->n_values == 0)
    return NULL;

  place = find (self, id);
  value = self->entries[place].value;
  if (value == NULL)
    return NULL;

  self->n_values--;
  close_hole (self, place);
  if (self->n_bits > FIRST_BITS + 2 && self->n_values < 1u << (self->n_bits - 4))
    resize (self, self->n_bits - 2);

  return value;
}

gpointer *
_pyisolate_id_table_dup_values (PyIsolateIdTable *self,
                                guint            *n_values)
{
  gpointer *values = g_new (gpointer, self->n_values);
  guint n = 0;

  for (guint i = 0; n < self->n_values; i++)
    {
      if (self->entries[i].value != NULL)
        values[n++] = self->entries[i].value;
    }
  *n_values = n;

  return values;
}

void
_pyisolate_id_table_clear (PyIsolateIdTable *self)
{
  g_free (self->entries);
  *self = (PyIsolateIdTable) { 0 };
}
