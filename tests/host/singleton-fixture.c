/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "singleton-fixture.h"

PyIsolateProxiedSingleton *
host_add_singleton (HostTest   *test,
                    const char *name)
{
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_manager_add_singleton (test->manager, name, singleton,
                                                            &error));
  g_assert_no_error (error);
  host_test_watch (test, singleton);

  return singleton;
}

void
host_add_method (PyIsolateProxiedSingleton *singleton,
                 const char                *name,
                 const char                *signature,
                 PyIsolateMethodFunc        func,
                 gpointer                   data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_proxied_singleton_add_method (singleton, name, signature, NULL, func,
                                                         data, NULL, &error));
  g_assert_no_error (error);
}

void
host_on_echo (PyIsolateProxiedSingleton *singleton,
              PyIsolateInvocation       *invocation,
              gpointer                   data)
{
  GVariant *args = pyisolate_invocation_get_args (invocation);
  g_autoptr (GVariant) first = g_variant_n_children (args) > 0 ? g_variant_get_child_value (args, 0) : NULL;

  pyisolate_invocation_return_value (invocation, first);
}

PyIsolateExtension *
host_load_with_api (HostTest   *test,
                    const char *name,
                    const char *file,
                    const char *api)
{
  PyIsolateExtensionConfig *config = host_config (name, file);
  const char *apis[] = { api, NULL };

  pyisolate_extension_config_set_apis (config, apis);

  return host_test_load_config (test, config);
}
