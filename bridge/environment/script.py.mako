"""
Migration: ${docstring}
"""
% if imports:

${imports}
% endif

description = ${description}
% if autocommit:

# CREATE INDEX CONCURRENTLY cannot run in a transaction. What ran before a failure stays.
transaction = "autocommit"
% endif


def ${upgrade_head}:
    """Apply this migration."""
    ${upgrade_body}


def ${downgrade_head}:
    """Undo what ${upgrade_function}() did."""
    ${downgrade_body}
