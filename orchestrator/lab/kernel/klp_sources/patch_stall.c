// SPDX-License-Identifier: GPL-2.0
/*
 * LAB-STALL never finishes its transition: kswapd() is the main function of a kernel thread that never returns from
 * it, so that thread always has the old code on its stack. Writing 0 to `enabled` reverts it.
 */
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched.h>

/* Only a memory node that is hot-plugged while the patch is loaded would ever start a thread here. */
static int idle_kswapd(void *node)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "kswapd", .new_func = idle_kswapd },
	{ }
};

static struct klp_object objects[] = { { .funcs = funcs }, { } };

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init lab_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit lab_exit(void)
{
}

module_init(lab_init);
module_exit(lab_exit);
MODULE_DESCRIPTION("LAB-STALL: replaces kswapd(), which its thread never leaves");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
