/* SPDX-License-Identifier: GPL-2.0 */
/* /proc/cmdline with the value of every lab_secret= masked. */
#ifndef LAB_CMDLINE_H
#define LAB_CMDLINE_H

#include <linux/seq_file.h>

/* Reads and masks the line; call it before klp_enable_patch(). 0 or a negative errno. */
int lab_cmdline_read(void);

/* Takes the place of cmdline_proc_show() in fs/proc/cmdline.c. */
int lab_cmdline_show(struct seq_file *m, void *v);

#endif
