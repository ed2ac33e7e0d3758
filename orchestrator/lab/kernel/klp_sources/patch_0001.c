// SPDX-License-Identifier: GPL-2.0
/* LAB-0001 fixes CVE-2099-0001: /proc/cmdline shows a boot secret to every user. */
#include <linux/livepatch.h>
#include <linux/module.h>

#include "cmdline.h"

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = lab_cmdline_show },
	{ }
};

/* An object without a name is vmlinux. */
static struct klp_object objects[] = { { .funcs = funcs }, { } };

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

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
MODULE_DESCRIPTION("LAB-0001: /proc/cmdline masks the boot secret");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
