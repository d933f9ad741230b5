//! Requests to the brokers, one at a time, and their answers.
//!
//! The client's own requests keep an entry for each answer that never comes. Here all answers come to one subscription,
//! so a broker that does not answer costs no memory. A late answer to an earlier request is recognised and dropped.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use crate::api;
use crate::error::{Trouble, shown};
use crate::limits::{ALL_ANSWERS_MAX, ANSWERS_MAX, API_ANSWER_MAX};

/// Where answers to one task's requests come to.
pub(crate) struct Mailbox {
    client: Client,
    inbox: String,
    /// Of the last request.
    number: u64,
    answers: Option<Subscriber>,
}

impl Mailbox {
    /// One for requests over that connection.
    pub(crate) fn new(client: Client) -> Self {
        let inbox = client.new_inbox();
        Self { client, inbox, number: 0, answers: None }
    }

    /// Sends a request, and waits for its answer.
    pub(crate) async fn ask(
        &mut self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
        wait: Duration,
    ) -> Result<Message, Trouble> {
        if self.client.connection_state() != State::Connected {
            return Err(Trouble::NotConnected);
        }
        match timeout(wait, self.exchange(subject, headers, payload)).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::NoAnswer(wait)),
        }
    }

    /// Sends a request of JetStream's API, and reads the answer.
    pub(crate) async fn api<T>(&mut self, request: &str, body: &impl Serialize) -> Result<T, Trouble>
    where
        T: DeserializeOwned,
    {
        let payload = serde_json::to_vec(body).map_err(|error| Trouble::Other(error.to_string()))?;
        let subject = format!("$JS.API.{request}");
        let answer = self.ask(subject, HeaderMap::new(), Bytes::from(payload), API_ANSWER_MAX).await?;
        answer_of(&answer)
    }

    /// Asks all brokers, and waits until `take` says of an answer that it is the last one, or until no more may come.
    pub(crate) async fn ask_all(
        &mut self,
        subject: String,
        mut take: impl FnMut(&Message) -> bool,
    ) -> Result<(), Trouble> {
        let until = Instant::now() + ALL_ANSWERS_MAX;
        let mut answer = self.ask(subject, HeaderMap::new(), Bytes::new(), ALL_ANSWERS_MAX).await?;
        let mut count = 1;
        while !take(&answer) && count < ANSWERS_MAX {
            match timeout_at(until, self.answer()).await {
                Ok(next) => answer = next?,
                Err(_) => break,
            }
            count += 1;
        }
        Ok(())
    }

    async fn exchange(&mut self, subject: String, headers: HeaderMap, payload: Bytes) -> Result<Message, Trouble> {
        if self.answers.is_none() {
            let subscribed = self.client.subscribe(format!("{}.*", self.inbox)).await;
            self.answers = Some(subscribed.map_err(|error| Trouble::Other(error.to_string()))?);
        }
        self.number = self.number.wrapping_add(1);
        let reply = self.reply();
        let sent = if headers.is_empty() {
            self.client.publish_with_reply(subject, reply, payload).await
        } else {
            self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
        };
        sent.map_err(|error| Trouble::Other(error.to_string()))?;
        self.answer().await
    }

    /// The next answer to the last request.
    async fn answer(&mut self) -> Result<Message, Trouble> {
        let reply = self.reply();
        while let Some(answers) = &mut self.answers {
            let next = answers.next().await;
            match next {
                Some(message) if message.subject.as_str() != reply => {}
                Some(message) if message.status == Some(StatusCode::NO_RESPONDERS) => {
                    return Err(Trouble::NoResponders);
                }
                Some(message) => return Ok(message),
                None => self.answers = None,
            }
        }
        Err(Trouble::NotConnected)
    }

    fn reply(&self) -> String {
        format!("{}.{}", self.inbox, self.number)
    }
}

/// Reads an answer of JetStream.
pub(crate) fn answer_of<T: DeserializeOwned>(message: &Message) -> Result<T, Trouble> {
    match api::read(&message.payload) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Trouble::Refused(error)),
        Err(error) => {
            let start = message.payload.get(..100).unwrap_or(&message.payload);
            let text = shown(&String::from_utf8_lossy(start));
            Err(Trouble::Other(format!("the answer {text:?} is not understood: {error}")))
        }
    }
}
