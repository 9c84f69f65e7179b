"""Let MLflow say when an alias moves, so that who follows it need not wait for the next look."""

from typing import Final

from pipelines.registry.client import connected, registry_client

NAME: Final = "workcast-service"
_EVENT: Final = "model_version_alias.created"


def send_alias_events(url: str, secret: str, uri: str) -> None:
    """Have the server at `uri` post to `url`, signed with `secret`, whenever an alias moves.

    Doing it again changes nothing, or brings another address or secret. MLflow reads its list
    of receivers once a minute.

    Raises:
        RegistryError: the server cannot be reached or refuses the address.
    """
    client = registry_client(uri)
    with connected(uri):
        known = [hook for hook in client.list_webhooks(max_results=100) if hook.name == NAME]
        for hook in known[1:]:
            client.delete_webhook(hook.webhook_id)
        if known:
            client.update_webhook(
                known[0].webhook_id, url=url, events=[_EVENT], secret=secret, status="ACTIVE"
            )
        else:
            client.create_webhook(NAME, url, [_EVENT], secret=secret)
