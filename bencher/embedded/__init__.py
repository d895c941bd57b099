"""PostgreSQL and Redis for a local run: started for one command, stopped with the last one.

`manage.py embedded -- COMMAND` is the way in (`command`). The first command starts a keeper
(`keeper`), which is the parent of both servers; every command holds a connection to it
(`attachment`), and when the last one is gone, however it went, the keeper stops the servers.
docs/adr/0001-embedded-services.md says why.
"""
