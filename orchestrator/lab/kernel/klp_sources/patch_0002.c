// SPDX-License-Identifier: GPL-2.0
/*
 * LAB-0002 is cumulative. It fixes CVE-2099-0001 as LAB-0001 does, and CVE-2099-0002: /proc/version tells every user
 * who built the kernel, with which compiler.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/utsname.h>

#include "cmdline.h"

static int version_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s version %s (builder withheld) %s\n", utsname()->sysname, utsname()->release,
		   utsname()->version);
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = lab_cmdline_show },
	{ .old_name = "version_proc_show", .new_func = version_show },
	{ }
};

static struct klp_object objects[] = { { .funcs = funcs }, { } };

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects, .replace = true };

static int __init lab_init(void)
{
	int error = lab_cmdline_read();

	return error ? error : klp_enable_patch(&patch);
}

static void __exit lab_exit(void)
{
}

module_init(lab_init);
module_exit(lab_exit);
MODULE_DESCRIPTION("LAB-0002: /proc/cmdline masks the boot secret, /proc/version withholds the builder");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
